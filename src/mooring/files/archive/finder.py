"""Looks for values that may not leave, in files that are shown piece by piece, and in their names.

What a value looks like in a file the runner knows, who looks through what a run leaves with the same.
"""

import os
from collections.abc import Sequence

from mooring.files.archive.jobs import Secret
from mooring.files.errors import Refused, Rule
from mooring.runner.finder import Finder as Searched
from mooring.runner.finder import Telltales


class Finder:
    """Raises Refused when a file holds one of the values, in whatever form, also across two pieces."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._telltales = Telltales((secret.name, secret.value) for secret in secrets)
        self._path = ""
        self._file = Searched(self._telltales)

    def name(self, name: str) -> None:
        """Raises Refused, without the name, when it holds one of the values."""
        found = self._telltales.name(os.fsencode(name))
        if found is not None:
            raise Refused(Rule.SECRET, f"the name of an entry holds the value of {found}")

    def __call__(self, path: str, piece: memoryview) -> None:
        if not self._telltales.plain:
            return
        if path != self._path:
            self._path, self._file = path, Searched(self._telltales)
        self._file(bytes(piece))
        if self._file.found is not None:
            raise Refused(Rule.SECRET, f"it holds the value of {self._file.found}", entry=path)
