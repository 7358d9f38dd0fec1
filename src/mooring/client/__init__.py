"""A client of Mooring's API.

    with Mooring("http://127.0.0.1:7070", token) as mooring:
        for session in mooring.sessions.list():
            print(session.name, session.phase)

`AsyncMooring` is the same with `await` and `async for`. Errors: mooring.client.errors.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring
    from mooring.client.mooring_async import AsyncMooring

__all__ = ["AsyncMooring", "Mooring"]
_WHERE = {"AsyncMooring": "mooring.client.mooring_async", "Mooring": "mooring.client.mooring"}


def __getattr__(name: str) -> object:
    """Loaded when asked for: whoever only keeps a profile needs no HTTP, whoever asks at once no event loop."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
