"""How much an archive may hold, and how it may be named."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an import takes. Units: entries, bytes; `ratio` is bytes out for a byte in, asked above `ratio_from` out.

    With `portable_names`, names that Windows or macOS cannot keep apart or cannot have are refused, else counted.
    """

    entries: int = 2_000_000
    total: int = 64 << 30
    file: int = 16 << 30
    ratio: int = 200
    ratio_from: int = 8 << 20
    name: int = 4096
    part: int = 255
    depth: int = 128
    pax_bytes: int = 64 << 10
    pax_records: int = 64
    portable_names: bool = False
