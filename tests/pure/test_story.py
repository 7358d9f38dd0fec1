"""The story of a session, as a person reads it: recorded events, and the text they come to."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.cli.plain import line, plain
from mooring.cli.story import ASCII, Marks, Story
from mooring.wire.sessions import SessionEvent

STORIES = Path(__file__).parent / "stories"
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def events(name: str) -> list[SessionEvent]:
    lines = (STORIES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [msgspec.json.decode(text, type=SessionEvent) for text in lines]


def told(story: Story, said: list[SessionEvent]) -> str:
    lines = [text.plain for event in said for text in story.tell(event)]
    return "".join(text + "\n" for text in [*lines, *(text.plain for text in story.rest())])


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("demo", ["measure the code", "find the longest functions", "write the report", "commit it"]),
        ("hostile", ["look around", "never"]),
    ],
)
def test_recorded_events_come_to_this_text_at_eighty_columns(name: str, tasks: list[str]) -> None:
    text = told(Story(tasks, width=80, marks=Marks()), events(name))
    assert text == (STORIES / f"{name}.txt").read_text(encoding="utf-8")


def test_a_terminal_without_unicode_gets_signs_it_can_show() -> None:
    text = told(Story(["a"] * 4, width=80, marks=ASCII), events("demo"))
    assert text.isascii()


def test_what_is_kept_back_and_what_went_wrong_at_the_end_is_said_though_all_was_done() -> None:
    said = [
        ("artifact", {"name": "changes.patch", "size": 3, "withheld": "it holds the value of KEY"}),
        ("error", {"reason": "no version was made: it holds the value of KEY"}),
        ("session.phase", {"phase": "completed"}),
    ]
    at = events("demo")[0].at
    story = Story([], width=80, marks=ASCII)
    text = told(
        story, [SessionEvent(number=number, at=at, type=word, data=data) for number, (word, data) in enumerate(said)]
    )
    assert text.splitlines() == [
        "  x changes.patch is kept back: it holds the value of KEY",
        "  x no version was made: it holds the value of KEY",
    ]
    assert (story.outcome, story.reason) == ("completed", None)


def test_the_outcome_has_the_reason_and_it_was_not_told_before() -> None:
    story = Story(["look around", "never"], width=80, marks=Marks())
    text = told(story, events("hostile"))
    assert (story.outcome, story.reason) == ("failed", "task 1 (look around) failed: exit status 3")
    assert "task 1 (look around)" not in text
    assert "the agent said nonsense" in text


def log(number: int, stream: str, text: str) -> SessionEvent:
    data = {"task": 0, "stream": stream, "text": text}
    return msgspec.convert({"number": number, "at": "2026-11-23T02:00:00Z", "type": "log", "data": data}, SessionEvent)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    ["\x1b[", "\x1b]0;title", "\x07", "\x1b[31m", "31m", "\r", "\n", "\x9b", "\x1b", "\u202e", "\x1bP", "\x1b\\"]
)


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr", "runner"]), TEXT), max_size=30), st.integers(20, 120))
def test_no_output_reaches_the_terminal_as_a_command_and_no_line_is_wider(
    said: list[tuple[str, str]], width: int
) -> None:
    story = Story(["a"], width=width, marks=Marks())
    for number, (stream, text) in enumerate(said, 1):
        shown = list(story.tell(log(number, stream, text)))
        partial = story.partial()
        for found in [*shown, *([partial] if partial else [])]:
            assert not HARMFUL.search(found.plain)
            assert "\n" not in found.plain
            assert found.cell_len <= max(width, 24)


@given(st.lists(TEXT, min_size=1, max_size=20))
def test_lines_are_told_whole_however_the_output_was_cut(pieces: list[str]) -> None:
    whole = told(Story(["a"], width=None, marks=Marks()), [log(1, "stdout", "".join(pieces))])
    parts = told(Story(["a"], width=None, marks=Marks()), [log(n, "stdout", text) for n, text in enumerate(pieces, 1)])
    assert parts == whole


@given(TEXT)
def test_plain_text_holds_nothing_a_terminal_obeys(text: str) -> None:
    assert not HARMFUL.search(plain(text))
    assert not HARMFUL.search(line(text))
    assert "\n" not in line(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(Bplain\x1b=", "plain"),
        ("\x9b2Jx", "x"),
        ("a\rb", "a\\x0db"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("\x1b", "\\x1b"),
        ("a\u202eb", "a\\u202eb"),
        ("日本 é 👍", "日本 é 👍"),
    ],
)
def test_terminal_sequences_are_left_out_and_other_controls_spelled(text: str, shown: str) -> None:
    assert plain(text) == shown
