"""Who is at the other end of a unix socket, as the kernel tells it."""

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

from litestar import Request

from mooring.base.errors import NotKnown
from mooring.http.protocol import ApiProtocol

_PROCESS = "process"
# Enough to be answered that they are not known.
_STRANGERS = 32
# struct ucred: pid, uid, gid (unix(7), SO_PEERCRED).
_CREDENTIALS = struct.Struct("3i")


class PeerProtocol(ApiProtocol):
    """HTTP whose client is the process that connected: nothing it sends can say otherwise. Those who are no runner
    share a few connections: an agent that opens them by the thousand takes none from others."""

    stranger: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - uvicorn's own signature
        super().connection_made(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        process: int = _CREDENTIALS.unpack(credentials)[0]
        self.client = (_PROCESS, process)
        self.stranger = not _is_first(process)
        connections: set[Any] = self.connections
        if self.stranger and sum(one.stranger for one in connections) > _STRANGERS:
            transport.abort()


def _is_first(process: int) -> bool:
    """Whether it is process 1 where it lives, as a runner is and nothing a runner starts. Source: proc(5), NSpid."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines())


def process_of(request: Request[Any, Any, Any]) -> int:
    """The process, by its number here, that opened the connection of this request. Raises NotKnown on another kind."""
    if request.client is None or request.client.host != _PROCESS:
        raise NotKnown("the link is served on its unix socket alone")
    return request.client.port
