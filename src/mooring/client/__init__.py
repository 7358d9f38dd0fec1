"""A client of Mooring's API.

    with Mooring("http://127.0.0.1:7070", token) as mooring:
        for session in mooring.sessions.list():
            print(session.name, session.phase)

`AsyncMooring` is the same with `await` and `async for`. Errors: mooring.client.errors.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooring.client.mooring import AsyncMooring, Mooring

__all__ = ["AsyncMooring", "Mooring"]


def __getattr__(name: str) -> object:
    """Loaded when asked for: whoever only keeps a profile needs no HTTP."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("mooring.client.mooring"), name)
