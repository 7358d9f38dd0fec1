"""What a variable or a file of a secret may be called: whatever is thrown at it."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooring.base import fields
from mooring.base.errors import Unfit

_LETTERS = string.ascii_letters + string.digits + "_"
_RESERVED = {"PATH", "HOME", "IFS", "ENV", "BASH_ENV", "SHELLOPTS"}
_NAMES = st.one_of(
    st.text(),
    st.text(alphabet=_LETTERS, max_size=220),
    st.sampled_from([*_RESERVED, "LD_", "MOORING_", "LD", "MOORING", "PATHS", "HOMES"]).flatmap(
        lambda word: st.text(alphabet=_LETTERS, max_size=5).map(lambda rest: word + rest)
    ),
)


def fits_as_variable(name: str) -> bool:
    posix = bool(name) and len(name) <= 200 and all(letter in _LETTERS for letter in name) and not name[0].isdigit()
    return posix and name not in _RESERVED and name[:3] != "LD_" and name[:8] != "MOORING_"


@given(_NAMES)
@example("LD_PRELOAD")
@example("MOORING_TOKEN")
@example("A\n")
@example("Á")
@example("A\u0301")
def test_a_variable_is_kept_as_it_is_or_refused_by_name(name: str) -> None:
    if fits_as_variable(name):
        assert fields.variable(name, field="expose_as_env") == name
    else:
        with pytest.raises(Unfit, match="expose_as_env"):
            fields.variable(name, field="expose_as_env")


@pytest.mark.parametrize(
    "name", ["PS4", "EDITOR", "PYTHONSTARTUP", "NODE_OPTIONS", "GIT_SSH_COMMAND", "GIT_CONFIG_VALUE_0", "PERL5OPT"]
)
def test_a_variable_whose_value_programs_run_is_for_the_instance_and_not_for_a_secret(name: str) -> None:
    assert fields.variable(name, field="environment") == name
    with pytest.raises(Unfit, match="programs run or load what it holds"):
        fields.secret_variable(name, field="expose_as_env")


@pytest.mark.parametrize(
    "name", ["TOKEN", "GIT_TOKEN", "GIT_PASSWORD", "PYTHON_INDEX_TOKEN", "NODE_AUTH_TOKEN", "path"]
)
def test_the_names_that_secrets_have_are_free(name: str) -> None:
    assert fields.secret_variable(name, field="expose_as_env") == name


_PARTS = st.one_of(st.sampled_from(["", ".", "..", "a", ".a", "a.b", "-a", "~"]), st.text(max_size=6))


@given(st.one_of(st.text(), st.lists(_PARTS, max_size=5).map(lambda parts: "/".join(["/run/secrets", *parts]))))
@example("/run/secrets/../../etc/passwd")
@example("/run/secrets/a/./b")
@example("/run/secrets/a\n")
def test_a_file_lies_under_run_secrets_and_nowhere_else(path: str) -> None:
    try:
        assert fields.secret_file(path, field="expose_as_file") == path
    except Unfit:
        return
    parts = path.split("/")
    assert parts[:3] == ["", "run", "secrets"]
    assert len(parts) > 3
    assert len(path) <= 200
    for part in parts[3:]:
        assert part
        assert part[0] not in ".-"
        assert all(letter in _LETTERS + ".-" for letter in part)
