"""Who is at the other end of a unix socket, as the kernel tells it."""

import asyncio
import socket
import struct
from typing import Any

from litestar import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mooring.base.errors import NotKnown

_PROCESS = "process"
# struct ucred: pid, uid, gid (unix(7), SO_PEERCRED).
_CREDENTIALS = struct.Struct("3i")


class PeerProtocol(HttpToolsProtocol):
    """HTTP whose client is the process that connected: nothing it sends can say otherwise."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - uvicorn's own signature
        super().connection_made(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.client = (_PROCESS, _CREDENTIALS.unpack(credentials)[0])


def process_of(request: Request[Any, Any, Any]) -> int:
    """The process, by its number here, that opened the connection of this request. Raises NotKnown on another kind."""
    if request.client is None or request.client.host != _PROCESS:
        raise NotKnown("the link is served on its unix socket alone")
    return request.client.port
