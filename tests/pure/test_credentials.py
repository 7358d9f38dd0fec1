"""What is hidden comes from a variable or from a systemd credential of its name, and is never quoted."""

import base64
from pathlib import Path

import pytest

from mooring.base.errors import Unfit
from mooring.base.hidden import Hidden
from mooring.settings import read_settings

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """What systemd would hand to the service."""
    (tmp_path / "MOORING_VAULT_KEY").write_text(f"{KEY}\n", encoding="utf-8")
    (tmp_path / "MOORING_WORKOS_API_KEY").write_text("sk_given\n", encoding="utf-8")
    (tmp_path / "MOORING_LISTEN").write_text("0.0.0.0:1", encoding="utf-8")
    return tmp_path


def test_what_is_hidden_is_read_from_the_services_credentials(directory: Path) -> None:
    settings = read_settings({"CREDENTIALS_DIRECTORY": str(directory)})
    assert settings.workos_api_key == Hidden(b"sk_given")
    assert settings.vault_key == Hidden(KEY.encode())
    assert settings.openbao_token is None
    assert settings.listen != "0.0.0.0:1"
    assert KEY not in repr(settings)


def test_a_variable_goes_before_a_credential(directory: Path) -> None:
    given = {"CREDENTIALS_DIRECTORY": str(directory), "MOORING_WORKOS_API_KEY": "sk_other"}
    assert read_settings(given).workos_api_key == Hidden(b"sk_other")


def test_a_credential_that_cannot_be_read_is_named_and_not_quoted(directory: Path) -> None:
    (directory / "MOORING_WORKOS_API_KEY").write_bytes(b"sk_\xff")
    with pytest.raises(Unfit, match="MOORING_WORKOS_API_KEY") as refused:
        read_settings({"CREDENTIALS_DIRECTORY": str(directory)})
    assert "sk_" not in str(refused.value)
