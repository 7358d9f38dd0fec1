"""HTTP as the API speaks it, down to what never becomes a request."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mooring.base.ids import new_id
from mooring.http.errors import Malformed, body_of


class ApiProtocol(HttpToolsProtocol):
    """What cannot be read as HTTP at all is refused in the same form as everything else."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words, for its log
        operation_id = new_id("op")
        refused = Malformed("this is not HTTP that can be read, or its address or headers are too long")
        _, body = body_of(refused, operation_id)
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"x-operation-id: {operation_id}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
