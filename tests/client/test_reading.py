"""A file that is read while the line breaks: it goes on where it was, and never with the bytes of another version."""

import pytest

from client.conftest import Did
from client.scripted import Reply, Scripted, answer, cut
from mooring.client import errors

FILE = "fsy_0ujtsYcgvSTl8PAuAdqWYSMnLOv"


def part(mark: str, content: bytes) -> Reply:
    return answer(206, content, ETag=mark)


def read(did: Did) -> bytes:
    return b"".join(did(lambda mooring: mooring.filesystems.read(FILE, "a")))


def test_it_goes_on_where_it_was(server: Scripted, did: Did) -> None:
    server.will(cut(200, b"begin ", 12, ETag='"one"'), cut(206, b"mid", 6, ETag='"one"'), part('"one"', b"end"))
    assert read(did) == b"begin midend"
    asked = [(one.headers.get("range"), one.headers.get("if-range")) for one in server.asked]
    assert asked == [(None, None), ("bytes=6-", '"one"'), ("bytes=9-", '"one"')]


@pytest.mark.parametrize(
    "then",
    [answer(200, b"other bytes", ETag='"two"'), part('"two"', b"tes"), answer(206, b"tes")],
    ids=["all of another", "a part of another", "a part of who knows what"],
)
def test_it_does_not_go_on_with_something_else(server: Scripted, did: Did, then: Reply) -> None:
    server.will(cut(200, b"begin ", 9, ETag='"one"'), then)
    with pytest.raises(errors.Unavailable, match="changed while it was read"):
        read(did)


def test_what_has_no_mark_is_not_taken_up_again(server: Scripted, did: Did) -> None:
    server.will(cut(200, b"begin ", 9), answer(200, b"begin end"))
    with pytest.raises(errors.Unavailable, match="line broke"):
        read(did)
    assert [one.headers.get("range") for one in server.asked] == [None, None]


def test_why_an_answer_was_broken_off_is_asked(server: Scripted, did: Did) -> None:
    damaged = answer(503, b'{"kind": "Error", "reason": "x.tar.gz is not what was stored", "code": "mooring-8"}')
    server.will(cut(200, b"begin ", 9), damaged)
    with pytest.raises(errors.Unavailable, match="not what was stored"):
        read(did)
    assert len(server.asked) == 2
