"""What goes wrong with files, beyond the six kinds."""

from enum import StrEnum
from typing import Self

from mooring.base.errors import Unavailable, Unfit


class Rule(StrEnum):
    """Why an archive is refused, as it is named to people and programs."""

    FORMAT = "format"
    HEADER = "header"
    NUMBER = "number"
    PAX = "pax"
    TRUNCATED = "truncated"
    TRAILING = "trailing"
    CHECKSUM = "checksum"
    NESTED = "nested"
    TYPE = "type"
    SPECIAL = "special"
    SPARSE = "sparse"
    EMPTY_NAME = "empty-name"
    ENCODING = "encoding"
    CONTROL = "control"
    BACKSLASH = "backslash"
    DRIVE = "drive"
    ABSOLUTE = "absolute"
    TRAVERSAL = "traversal"
    ODD_PART = "odd-part"
    LONG_NAME = "long-name"
    LONG_PART = "long-part"
    DEEP = "deep"
    DUPLICATE = "duplicate"
    TWIN = "twin"
    NOT_A_DIRECTORY = "not-a-directory"
    LINK_EMPTY = "link-empty"
    LINK_ABSOLUTE = "link-absolute"
    LINK_OUTWARD = "link-outward"
    LINK_WINDING = "link-winding"
    HARD_LINK = "hard-link"
    ENTRIES = "entries"
    TOTAL = "total"
    FILE_SIZE = "file-size"
    RATIO = "ratio"
    ZIP_MISMATCH = "zip-mismatch"
    ZIP_LAYOUT = "zip-layout"
    ENCRYPTED = "encrypted"
    METHOD = "method"
    PORTABLE = "portable"
    SECRET = "secret"  # noqa: S105 - the word, not a secret
    TIME = "time"
    MEMORY = "memory"


class Refused(Unfit):
    """An archive that is not taken, and why: the rule it breaks, and the entry as far as it is known.

    `entry` is its name; `shown` the same as it is shown, without anything that is not printable.
    """

    def __init__(self, rule: Rule, says: str, *, entry: str | None = None, shown: str | None = None) -> None:
        if entry is not None:
            shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in entry[:_SHOWN])
        about = "the archive" if shown is None else f"the archive's entry '{shown}'"
        super().__init__(f"{about} is refused ({rule.value}): {says}", rule=rule.value, entry=shown)
        self.rule = rule
        self.entry = shown
        self.says = says


_SHOWN = 300


class Damaged(Unavailable):
    """Stored bytes are not what was stored."""

    @classmethod
    def under(cls, key: str, why: str = "") -> Self:
        """What lies under `key` is something else."""
        because = f" ({why})" if why else ""
        return cls(f"{key} is not what was stored{because}; restore it from a copy", key=key)


class Crashed(Unfit):
    """The process that works on archives ended in the middle: by a fault of ours, or because it was killed."""
