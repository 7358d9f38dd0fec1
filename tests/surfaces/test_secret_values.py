"""Values, names and bodies of every kind, thrown at the API: kept byte for byte, or refused without being quoted."""

import base64
import random
from typing import Any

import pytest

from mooring.app import App
from mooring.runner.mask import Mask
from surfaces.machines import value_of
from surfaces.people import Asker

_PIECES = (
    b"\0",
    b"\n",
    b"\r\n",
    b"\xff\xfe",
    "ü€\U0001f511".encode(),
    b'"\\',
    b"%00",
    b"${HOME}",
    b"'; --",
    b" ",
    b"a" * 40,
)


def value(chance: random.Random) -> bytes:
    size = chance.choice((1, 2, 3, 4, 16, 200, 4096, 65535, 65536))
    if chance.random() < 0.5:
        return chance.randbytes(size)
    made = b"".join(chance.choices(_PIECES, k=max(1, size // 8)))
    return made[:size] or b"x"


async def _thrown(admin: Asker, app: App, times: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, guards nothing
    for number in range(times):
        content = value(chance)
        body: dict[str, Any] = {"name": f"secret {number}", "value": base64.b64encode(content).decode()}
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = None
        if text is not None and chance.random() < 0.5:
            body["value"] = text
        else:
            body["encoding"] = "base64"
        secret = await admin.made("/secrets", body)
        assert await value_of(app, secret) == content
        lines = [line.strip().decode("utf-8", "replace") for line in content.splitlines()]
        assert bool(secret["warnings"]) == (len(content) < 4 or any(0 < len(line) < 4 for line in lines))
        renewed = value(chance)
        path = f"/secrets/{secret['id']}/versions"
        coded = {"value": base64.b64encode(renewed).decode(), "encoding": "base64"}
        assert (await admin.ask("POST", path, coded)).json()["secret_version"] == 2
        assert await value_of(app, secret) == renewed
        assert (await admin.ask("DELETE", f"/secrets/{secret['id']}")).status_code == 204


async def test_values_of_every_kind_are_kept_byte_for_byte(admin: Asker, app: App) -> None:
    await _thrown(admin, app, 25, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_many_values_of_every_kind_are_kept_byte_for_byte(admin: Asker, app: App) -> None:
    await _thrown(admin, app, 1_000, seed=2)


# What of a value has under four characters, and what is said of it; None: nothing.
_WARNED = {
    "123": "the value has under 4 characters: it cannot",
    "é€ü": "the value has under 4 characters: it cannot",
    "abc\n": "without the spaces around it the value has under 4 characters: it cannot",
    "ab\ncd\r\nef\n\ngh\n": "each of the value's 4 lines has under 4 characters: they cannot",
    "user\npin\n123\n": "2 of the value's 3 lines have under 4 characters: they cannot",
    "password\n  123  ": "1 of the value's 2 lines has under 4 characters: it cannot",
    "four": None,
    "éàüß": None,
    "user\n\n\npassword\n": None,
    "-----BEGIN KEY-----\nMC4CAQAwBQYD\nK2Vw\n-----END KEY-----\n": None,
}


@pytest.mark.parametrize("content", _WARNED)
async def test_what_of_a_value_cannot_be_masked_is_said_to_who_keeps_it(admin: Asker, content: str) -> None:
    says = _WARNED[content]
    expected = [] if says is None else [f"{says} be masked in transcripts and logs"]
    secret = await admin.made("/secrets", {"name": "token", "value": content})
    renewed = await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": content})
    assert (secret["warnings"], renewed.json()["warnings"]) == (expected, expected)
    # The runner masks it line by line: of what nothing is said, no line gets through.
    mask = Mask({"token": content.encode()})
    told = [line.strip() for line in content.splitlines() if line.strip() and mask.text(line.strip()) == line.strip()]
    assert bool(told) == bool(expected)


_BODIES: tuple[Any, ...] = (
    None, True, 7, [], "text", {}, {"value": None}, {"value": ["s3cr3t"]}, {"value": {"s3cr3t": 1}},
    {"name": None, "value": "s3cr3t"}, {"name": "x", "value": "s3cr3t", "encoding": "hex"},
    {"name": "x", "value": "s3cr3t", "encoding": "base64"}, {"name": "x", "value": "s3cr3t", "vault": "elsewhere"},
    {"name": "x", "value": "s3cr3t", "unknown": "s3cr3t"}, {"name": "\u202e", "value": ""},
    {"name": "x" * 221, "value": "s3cr3t"}, {"name": "x", "value": "s3cr3t" * 20_000},
)  # fmt: skip


async def test_bodies_that_cannot_be_meant_are_refused_without_being_quoted(admin: Asker) -> None:
    secret = await admin.made("/secrets", {"name": "there", "value": "value"})
    for path in ("/secrets", f"/secrets/{secret['id']}/versions"):
        for body in _BODIES:
            answer = await admin.ask("POST", path, body)
            assert answer.status_code in (400, 422), (path, body, answer.text)
            assert "s3cr3t" not in answer.text
    assert (await admin.get("/secrets")).json()["total"] == 1
