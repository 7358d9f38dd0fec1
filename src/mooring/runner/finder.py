"""Whether a file holds the value of a secret, however it was written. The control plane looks with it as well."""

from __future__ import annotations

import re

from .forms import SHORTEST, base64s, is_escaped, telling
from .views import ESCAPES, decoded, unwrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BARE = re.compile(rb"[A-Za-z0-9]+")
# More than any piece of a value takes in any form: what was seen last is looked at again with what comes next.
_KEPT = 2048


class Telltales:
    """Of which a file that holds a value has one, by the names of the secrets: as it is, and in base64."""

    def __init__(self, values: Iterable[tuple[str, bytes]]) -> None:
        self.plain = {piece: name for name, value in values for piece in telling(value) if len(piece) >= SHORTEST}
        self.coded = {
            form: name for piece, name in self.plain.items() for form in base64s(piece) if len(form) >= SHORTEST
        }
        self._escaped = {piece: name for piece, name in self.plain.items() if is_escaped(piece)}
        # What nobody escapes of a piece: where that is not, the piece is not.
        self._bare = [max(_BARE.findall(piece), key=len, default=b"") for piece in self._escaped]
        self._ways = [way for way in ESCAPES if any(way.only.encode() in piece for piece in self._escaped)]

    def name(self, data: bytes) -> str | None:
        """Whose value stands in the bytes."""
        found = _found(data, self.plain) or _found(data, self.coded)
        if found is None and b"\n" in data:
            found = _found(unwrapped(data), self.coded)
        if found is None and any(bare in data for bare in self._bare):
            found = next(filter(None, (_found(text, self._escaped) for text in decoded(data, self._ways))), None)
        return found


def _found(data: bytes, telltales: Mapping[bytes, str]) -> str | None:
    # One search by the library for each is quicker than one for all of them.
    return next((name for telltale, name in telltales.items() if telltale in data), None)


class Finder:
    """Takes bytes piece by piece; `found` is the name of the first secret whose value stands in them."""

    def __init__(self, telltales: Telltales) -> None:
        self._telltales = telltales
        self._rest = b""
        self.found: str | None = None

    def __call__(self, piece: bytes) -> None:
        if self.found is None and self._telltales.plain:
            data = self._rest + piece
            self.found = self._telltales.name(data)
            self._rest = data[-_KEPT:]
