"""A patch on the terminal: as it is, or what it comes to."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from mooring.cli.plain import line, plain
from mooring.cli.terminal import console

_BAR = 30
_STYLES = (("+++", "bold"), ("---", "bold"), ("diff ", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


@dataclass(slots=True, kw_only=True)
class Changed:
    """One file of a patch. `binary` has no lines to count."""

    path: str
    added: int = 0
    removed: int = 0
    binary: bool = False


def show_patch(content: bytes, *, stat: bool) -> None:
    """To a terminal in colours and harmless; to anything else byte for byte."""
    out = console()
    if stat:
        for text in _bars(list(changed(content)), max(40, out.width)):
            out.print(text, soft_wrap=True)
    elif out.is_terminal:
        out.print(
            Text("\n").join(_coloured(row) for row in content.decode("utf-8", "replace").split("\n")), soft_wrap=True
        )
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)


def _coloured(row: str) -> Text:
    style = next((style for start, style in _STYLES if row.startswith(start)), "")
    return Text(plain(row), style=style)


def changed(content: bytes) -> Iterator[Changed]:
    """The files of a git patch. Lines are counted only inside hunks, so that no content can pass for a heading."""
    current: Changed | None = None
    left, right = 0, 0
    for raw in content.split(b"\n"):
        if left > 0 or right > 0:
            assert current is not None
            mark = raw[:1]
            if mark == b"\\":
                continue
            current.added += mark == b"+"
            current.removed += mark == b"-"
            left -= mark != b"+"
            right -= mark != b"-"
        elif raw.startswith(b"diff --git "):
            if current is not None:
                yield current
            current = Changed(path=_path(raw))
        elif current is not None and raw.startswith(b"@@ "):
            left, right = _lengths(raw)
        elif current is not None and raw.startswith((b"GIT binary patch", b"Binary files ")):
            current.binary = True
        elif current is not None and raw.startswith(b"rename to "):
            current.path = raw.removeprefix(b"rename to ").decode("utf-8", "replace")
    if current is not None:
        yield current


def _path(raw: bytes) -> str:
    """`diff --git a/x b/x`: both halves name the same file unless a `rename to` says else."""
    both = raw.removeprefix(b"diff --git ").decode("utf-8", "replace")
    if both.startswith('"'):
        return both.rpartition('" "')[2].rstrip('"').removeprefix("b/")
    return both[len(both) // 2 + 1 :].removeprefix("b/")


def _lengths(raw: bytes) -> tuple[int, int]:
    """`@@ -a,b +c,d @@`: how many lines of the old and of the new file follow."""

    def length(word: bytes) -> int:
        _, mark, count = word.partition(b",")
        return int(count) if mark else 1

    words = raw.split(b" ")
    return length(words[1]), length(words[2])


def _bars(files: list[Changed], width: int) -> Iterator[Text]:
    largest = max((file.added + file.removed for file in files), default=0)
    named = min(max((len(line(file.path)) for file in files), default=0), width - _BAR - 12)
    for file in files:
        path = line(file.path)
        if len(path) > named:
            path = "…" + path[-(named - 1) :]
        text = Text(f" {path:<{named}} | ")
        if file.binary:
            text.append("binary", style="dim")
        else:
            scale = min(1.0, _BAR / largest) if largest else 0
            text.append(f"{file.added + file.removed:>5} ")
            text.append("+" * _scaled(file.added, scale), style="green")
            text.append("-" * _scaled(file.removed, scale), style="red")
        yield text
    added, removed = sum(file.added for file in files), sum(file.removed for file in files)
    yield Text(f" {len(files)} file{'' if len(files) == 1 else 's'} changed, +{added} -{removed}")


def _scaled(count: int, scale: float) -> int:
    return max(1, round(count * scale)) if count else 0
