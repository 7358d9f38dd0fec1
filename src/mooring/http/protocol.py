"""HTTP as the API speaks it, down to what never becomes a request."""

import re
from http import HTTPStatus
from typing import Never

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mooring.base.errors import MooringError
from mooring.base.ids import new_id
from mooring.http.errors import HeadTooLarge, Malformed, body_of

HEAD_BYTES = 64 << 10
# Seconds in which who is refused may read why; what it still sends is thrown away.
_LAST_WORDS = 2.0
_TOO_LARGE = HeadTooLarge(f"address and headers have more than {HEAD_BYTES} bytes", most=HEAD_BYTES)
# RFC 9110, section 7.2: a name or an address, or nothing. Nothing here goes by it, but what is none must be refused.
_HOST = re.compile(rb"(?:[^\x00- \x7f-\xff@:/?#\[\]\\]+|\[[0-9A-Fa-f:.]+\])?(?::[0-9]{0,5})?")


class ApiProtocol(HttpToolsProtocol):
    """What cannot be read as HTTP at all is refused in the same form as everything else, and so is a head (address
    and headers) that is larger than is taken: it is held in memory before anyone knows who sends it."""

    # Bytes that came since the parser last told of something: it holds them.
    held: int = 0
    refused: bool = False
    reason: MooringError = Malformed("this is not HTTP that can be read, or its address is too long")

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        self.held += len(data)
        super().data_received(data)
        # Trailers behind a body are held like a head.
        if self.held > HEAD_BYTES and not self.refused:
            self.reason = _TOO_LARGE
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        self.held = 0
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._refuse_head(_TOO_LARGE)
        if any(name == b"host" and not _HOST.fullmatch(value) for name, value in self.headers):
            self._refuse_head(Malformed("the header Host is no host, perhaps with :port", header="Host"))
        super().on_headers_complete()

    def _refuse_head(self, reason: MooringError) -> Never:
        self.reason = reason
        # As the parser is told that a request is none: it reads no further.
        raise ValueError(reason.reason)

    def on_body(self, body: bytes) -> None:
        self.held = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.held = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words, for its log
        self.refused = True
        if self.cycle and not self.cycle.response_complete:
            # Amid another answer none can be given.
            self.transport.close()
            return
        self._refuse()
        # Closed at once, with more on its way, the line would break before the answer is read.
        self.transport.write_eof()
        self.loop.call_later(_LAST_WORDS, self.transport.close)

    def _refuse(self) -> None:
        operation_id = new_id("op")
        status, body = body_of(self.reason, operation_id)
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"x-operation-id: {operation_id}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
