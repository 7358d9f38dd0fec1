"""What a push leaves out: patterns as in .gitignore, one a line."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FILE = ".mooringignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One line. `keeps` takes back what an earlier line left out; `directories` means those alone."""

    expression: re.Pattern[str]
    keeps: bool
    directories: bool


def patterns(lines: Iterable[str]) -> list[Pattern]:
    """The patterns of an ignore file. Blank lines and those that begin with # say nothing."""
    return [_pattern(line) for line in map(_trimmed, lines) if line and not line.startswith("#")]


def ignored(path: str, found: Sequence[Pattern], *, directory: bool) -> bool:
    """Whether the last pattern that fits leaves it out. What lies in an ignored directory is never asked for."""
    for pattern in reversed(found):
        if (directory or not pattern.directories) and pattern.expression.fullmatch(path):
            return not pattern.keeps
    return False


# As git has it: spaces at the end are no part of a pattern but where a backslash says so; tabs always are.
_LINE = re.compile(r"((?:\\.|.)*?) *", re.DOTALL)


def _trimmed(line: str) -> str:
    found = _LINE.fullmatch(line)
    assert found is not None
    return found[1]


def _pattern(line: str) -> Pattern:
    keeps = line.startswith("!")
    text = line.removeprefix("!")
    directories = text.endswith("/")
    text = text.rstrip("/")
    # With a slash in it, a pattern is meant from the top; without one, at any depth.
    anchored = "/" in text
    expression = _translated(text.removeprefix("/"))
    return Pattern(
        expression=re.compile(expression if anchored else f"(?:.*/)?{expression}", re.DOTALL),
        keeps=keeps,
        directories=directories,
    )


_WORDS = re.compile(r"/\*\*/|\*\*/|/\*\*|\*\*|\*|\?|\[!?[^\]]+\]|\\?.", re.DOTALL)


def _translated(text: str) -> str:
    return "".join(_word(found[0]) for found in _WORDS.finditer(text))


def _word(word: str) -> str:
    known = {"/**/": "/(?:.*/)?", "**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if word in known:
        return known[word]
    if word.startswith("[") and len(word) > 1:
        inside = word[1:-1].replace("\\", "\\\\")
        return f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
    return re.escape(word.removeprefix("\\") or word)
