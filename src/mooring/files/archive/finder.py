"""Looks for bytes that may not leave, in files that are shown piece by piece, and in their names."""

import os
import re
from collections.abc import Sequence

from mooring.files.archive.jobs import Pattern
from mooring.files.errors import Refused, Rule


class Finder:
    """Raises Refused when a file holds one of the patterns, also across two pieces."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._names = {pattern.data: pattern.name for pattern in patterns}
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if longest_first else None
        self._keep = max(map(len, self._names), default=1) - 1
        self._path = ""
        self._rest = b""

    def name(self, name: str) -> None:
        """Raises Refused, without the name, when it holds one of the patterns."""
        found = self._pattern.search(os.fsencode(name)) if self._pattern else None
        if found is not None:
            raise Refused(Rule.SECRET, f"the name of an entry holds the value of {self._names[found[0]]}")

    def __call__(self, path: str, piece: memoryview) -> None:
        if self._pattern is None:
            return
        if path != self._path:
            self._path, self._rest = path, b""
        data = self._rest + bytes(piece)
        found = self._pattern.search(data)
        if found is not None:
            raise Refused(Rule.SECRET, f"it holds the value of {self._names[found[0]]}", entry=path)
        self._rest = data[-self._keep :] if self._keep else b""
