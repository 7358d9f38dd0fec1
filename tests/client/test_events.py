"""Streams of events: whatever the line does, each event comes once and in order."""

import pytest

from client.conftest import Did
from client.scripted import Scripted, answer, drop, event, refusal, stream
from mooring.client import errors

SESSION = "ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv"
FIRST = event(1, "session.phase", {"phase": "running"})
SECOND = event(2, "log", {"stream": "stdout", "text": "a\n"})
LAST = event(3, "session.phase", {"phase": "completed"})


def numbers(did: Did, **more: object) -> list[int]:
    return [said.number for said in did(lambda mooring: mooring.sessions.events(SESSION, **more))]


def test_a_stream_is_read_to_the_end_of_the_session_and_not_asked_again(server: Scripted, did: Did) -> None:
    server.will(stream(b": open\n\n", FIRST + SECOND, LAST))
    assert numbers(did) == [1, 2, 3]
    assert len(server.asked) == 1
    assert server.asked[0].headers["accept"] == "text/event-stream"


def test_a_line_that_breaks_is_made_again_from_the_last_number(server: Scripted, did: Did) -> None:
    told: list[str | None] = []
    server.will(
        stream(FIRST, SECOND[:20], cut=True), drop, answer(503, b""), stream(SECOND, cut=True), stream(SECOND, LAST)
    )
    assert numbers(did, interrupted=told.append) == [1, 2, 3]
    assert [asked.headers["last-event-id"] for asked in server.asked] == ["0", "1", "1", "1", "2"]
    assert [reason is None for reason in told] == [False, True, False, True]


def test_what_comes_a_second_time_is_passed_over(server: Scripted, did: Did) -> None:
    server.will(stream(FIRST, SECOND, cut=True), stream(FIRST, SECOND, LAST))
    assert numbers(did) == [1, 2, 3]


def test_an_event_that_is_left_out_is_asked_for_and_a_hole_that_stays_is_an_error(server: Scripted, did: Did) -> None:
    server.will(stream(FIRST, LAST), stream(SECOND, LAST))
    assert numbers(did) == [1, 2, 3]
    server.will(stream(FIRST, LAST), stream(LAST))
    with pytest.raises(errors.Unavailable, match="event 2 is missing"):
        numbers(did)


def test_a_stream_that_ends_in_peace_is_taken_up_again_without_alarm(server: Scripted, did: Did) -> None:
    told: list[str | None] = []
    server.will(stream(FIRST), stream(SECOND, LAST))
    assert numbers(did, interrupted=told.append) == [1, 2, 3]
    assert told == []


def test_nothing_after_the_last_number_of_an_ended_session_is_an_end(server: Scripted, did: Did) -> None:
    nothing: dict[str, object] = {"kind": "SessionEventList", "items": [], "next": None}
    server.will(stream(b": open\n\n"), answer(200, {"phase": "completed"}), answer(200, nothing))
    assert numbers(did, after=3) == []


def test_a_watch_that_has_seen_nothing_comes_back_with_the_number_it_began_behind(server: Scripted, did: Did) -> None:
    server.will(
        stream(b": open\nid: 7\n\n", cut=True),
        stream(b"id: 9\nevent: reset\ndata: {}\n\n"),
        refusal(401, "the token is no longer good"),
    )
    with pytest.raises(errors.NotKnown):
        did(lambda mooring: mooring.of("agent").watch())
    assert [asked.headers.get("last-event-id") for asked in server.asked] == [None, "7", "9"]


def test_what_is_written_is_paged_where_nobody_follows(server: Scripted, did: Did) -> None:
    def written(*items: int, following: int | None) -> dict[str, object]:
        events = [
            {"number": number, "at": "2026-11-23T02:00:00Z", "type": "log", "data": {"text": ""}} for number in items
        ]
        return {"kind": "SessionEventList", "items": events, "next": following}

    server.will(answer(200, written(1, 2, following=2)), answer(200, written(3, following=None)))
    assert numbers(did, follow=False) == [1, 2, 3]
    assert ["after=0" in server.asked[0].path, "after=2" in server.asked[1].path] == [True, True]


def test_a_session_that_is_not_there_is_missing_and_not_waited_for(server: Scripted, did: Did) -> None:
    server.will(refusal(404, "there is no session"))
    with pytest.raises(errors.Missing):
        numbers(did)
    assert len(server.asked) == 1


def test_an_artifact_comes_whole_or_not_at_all(server: Scripted, did: Did) -> None:
    content = bytes(range(256)) * 4096
    server.will(answer(200, content))
    pieces = did(lambda mooring: mooring.sessions.artifact(SESSION, "outputs/a b.bin"))
    assert b"".join(pieces) == content
    assert server.asked[0].path.endswith("/artifacts/outputs%2Fa%20b.bin")
    server.will(stream(b"only a part", cut=True))
    with pytest.raises(errors.Unavailable, match="the line broke after 11 bytes"):
        did(lambda mooring: mooring.sessions.artifact(SESSION, "x"))
