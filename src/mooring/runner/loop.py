"""The one place where the runner's main thread waits: children's output, and a pipe others wake it by."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[bytes], None]

_PIECE = 65536
# More milliseconds than fit into a C int are an error.
_LONGEST_POLL = 3600.0


class Loop:
    def __init__(self) -> None:
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._readers: dict[int, Reader] = {}
        self._unwritten: dict[int, bytearray] = {}

    def wake(self) -> None:
        """Let `turn` return at once; from any thread."""
        try:
            os.write(self._waker, b".")
        except BlockingIOError:
            return  # A full pipe wakes just as well.

    def add(self, descriptor: int, reader: Reader) -> None:
        """Hand what can be read from `descriptor` to `reader` during turns; b"" once, at its end."""
        os.set_blocking(descriptor, False)
        self._readers[descriptor] = reader
        self._poll.register(descriptor, select.POLLIN)

    def drop_all(self) -> None:
        for descriptor in list(self._readers):
            self.drop(descriptor)

    def drop(self, descriptor: int) -> None:
        """Read what is there already, then close: whoever still holds the other end must not hold us."""
        for _ in range(1024):
            if not self._read(descriptor):
                break
        if descriptor in self._readers:
            self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        reader = self._readers.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        reader(b"")

    def _read(self, descriptor: int) -> bool:
        if descriptor not in self._readers:
            return False
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return False
        except OSError:
            piece = b""
        if not piece:
            self._close(descriptor)
            return False
        self._readers[descriptor](piece)
        return True

    def write(self, descriptor: int, content: bytes) -> None:
        """Write during turns: whoever does not read must not hold us. A broken pipe drops what is left."""
        os.set_blocking(descriptor, False)
        self._unwritten.setdefault(descriptor, bytearray()).extend(content)
        self._poll.register(descriptor, select.POLLOUT)

    def forget(self, descriptor: int) -> None:
        """Close a descriptor that was written to."""
        if self._unwritten.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)
        os.close(descriptor)

    def _push(self, descriptor: int) -> None:
        waiting = self._unwritten[descriptor]
        try:
            del waiting[: os.write(descriptor, waiting)]
        except BlockingIOError:
            return
        except OSError:
            waiting.clear()
        if not waiting:
            del self._unwritten[descriptor]
            self._poll.unregister(descriptor)

    def turn(self, seconds: float) -> bool:
        """Wait for at most `seconds` until something happens; read and write what can be. Whether anything was read."""
        read = False
        for descriptor, _ in self._poll.poll(min(max(0.0, seconds), _LONGEST_POLL) * 1000):
            if descriptor == self._woken:
                self._quiet()
            elif descriptor in self._unwritten:
                self._push(descriptor)
            else:
                read = self._read(descriptor) or read
        return read

    def _quiet(self) -> None:
        try:
            while len(os.read(self._woken, _PIECE)) == _PIECE:
                continue
        except BlockingIOError:
            return
