"""Reading server-sent events: the same whatever the pieces, and bounded."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring.client import sse
from mooring.client.errors import Unavailable
from mooring.client.sse import Parser, ServerEvent

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=40)
EVENTS = st.lists(
    st.tuples(st.integers(1, 10**18), TEXT.map(lambda text: text.strip() or "log"), st.lists(TEXT, min_size=1))
)


def parsed(pieces: list[bytes]) -> list[ServerEvent]:
    parser = Parser()
    return [event for piece in pieces for event in parser.feed(piece)]


def cut(content: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[start:end] for start, end in itertools.pairwise(edges)]


# A busy machine is slow to draw, and that is no failure.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(events=EVENTS, end=st.sampled_from(["\n", "\r\n", "\r"]), places=st.lists(st.integers(0, 10**6), max_size=20))
def test_what_was_written_is_read_however_it_is_cut(
    events: list[tuple[int, str, list[str]]], end: str, places: list[int]
) -> None:
    written = "".join(
        f": beat{end}{end}id: {number}{end}event: {word}{end}{''.join(f'data: {line}{end}' for line in data)}{end}"
        for number, word, data in events
    )
    expected = [ServerEvent(id=str(number), type=word, data="\n".join(data)) for number, word, data in events]
    assert parsed(cut(written.encode(), places)) == expected


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_whatever_comes_is_events_or_a_refusal(pieces: list[bytes]) -> None:
    try:
        found = parsed(pieces)
    except Unavailable:
        return
    assert all("\r" not in event.data for event in found)


def test_the_standards_own_cases_are_read_as_it_says() -> None:
    found = parsed(
        [
            b"\xef\xbb\xbfdata: first\n\ndata:second\nid\n\n",
            b"data\n\n",
            b"data\ndata\n\n",
            b"data:  x\n\nevent: y\n\ndata: left",
        ]
    )
    assert [(event.id, event.type, event.data) for event in found] == [
        ("", "message", "first"), ("", "message", "second"), ("", "message", ""), ("", "message", "\n"),
        ("", "message", " x"),
    ]  # fmt: skip


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LARGEST_EVENT", 1000)
    with pytest.raises(Unavailable, match="more than 1,000 characters"):
        parsed([b"data: " + b"x" * 200] * 10)
    with pytest.raises(Unavailable, match="more than 1,000 characters"):
        parsed([b"data: x\n"] * 1000)
