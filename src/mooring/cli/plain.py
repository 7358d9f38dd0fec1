"""Text of others, made harmless for a terminal."""

import re

# C0 but tab and newline, DEL, C1, line and paragraph separators, and what turns the direction of writing: a transcript
# must neither move the cursor, nor set a title, nor show words in another order than they stand.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# CSI and OSC sequences and the two-byte ones, whole: what a program wrote for its colours is left out, not spelled out.
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)|\x1b[ -/]*[0-~]"
)


def plain(text: str) -> str:
    r"""`text` without terminal sequences; other control characters as `\xNN`. Tabs and newlines stay."""
    return _HARMFUL.sub(_spelled, _ESCAPES.sub("", text).replace("\r\n", "\n"))


def line(text: str) -> str:
    """The same in one line."""
    return plain(text).replace("\n", "⏎").replace("\t", " ")


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte
