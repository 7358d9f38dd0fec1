"""git as a child like any other: its own session, no descriptor but stdio, nothing of ours in its environment."""

from __future__ import annotations

import os
import time

from .errors import Unready
from .process import signal  # the runner's one set of signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .loop import Loop, Reader
    from .mask import Mask
    from .process import Processes

# Whatever a configuration file says about programs to run, the command line says otherwise.
_QUIET = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.pager=cat", "core.editor=true", "core.askPass=true",
    "core.untrackedCache=false", "diff.external=", "gc.auto=0", "maintenance.auto=false", "commit.gpgSign=false",
    "log.showSignature=false", "protocol.allow=never", "protocol.file.allow=always", "advice.detachedHead=false",
    "core.quotePath=false", "submodule.recurse=false", "uploadpack.packObjectsHook=", "safe.directory=*",
    # What is large is streamed, and packing must not need more memory than the work did.
    "core.bigFileThreshold=16m", "pack.threads=1", "pack.windowMemory=64m",
)  # fmt: skip
_OPTIONS = tuple(word for setting in _QUIET for word in ("-c", setting))
_KEPT = 1 << 20
_LONGEST = 1000


class Git:
    """Runs git commands. They see an empty HOME, no system or global configuration, and no replaced objects."""

    def __init__(self, loop: Loop, processes: Processes, path: str, mask: Mask) -> None:
        self._loop = loop
        self._processes = processes
        self._mask = mask
        self._environment = {
            "PATH": path, "HOME": "/nonexistent", "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1", "GIT_PAGER": "cat",
            "GIT_AUTHOR_NAME": "Mooring", "GIT_AUTHOR_EMAIL": "mooring@localhost",
            "GIT_COMMITTER_NAME": "Mooring", "GIT_COMMITTER_EMAIL": "mooring@localhost",
        }  # fmt: skip

    def run(
        self,
        *words: str,
        cwd: str = "/",
        deadline: float,
        environment: dict[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        reader: Reader | None = None,
    ) -> bytes:
        """Run `git words` and give its output (at most 1 MiB); it goes to the descriptor `stdout` or to `reader` where
        one is given. Raises Unready with what git said."""
        said, heard = _Kept(), _Kept()
        empty = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        out_read, out = os.pipe()
        err_read, err = os.pipe()
        try:
            pid = self._processes.start(
                ("git", *_OPTIONS, *words),
                cwd=cwd,
                environment={**self._environment, **(environment or {})},
                stdio=(empty if stdin is None else stdin, out if stdout is None else stdout, err),
            )
        finally:
            for descriptor in (empty, out, err):
                os.close(descriptor)
        self._loop.add(out_read, reader or heard)
        self._loop.add(err_read, said)
        code = self._wait(pid, deadline)
        self._loop.drop(out_read)
        self._loop.drop(err_read)
        if code != 0:
            why = "it took too long" if code is None else said.text(self._mask) or f"exit status {code}"
            raise Unready(f"git {words[0]}: {why}")
        if len(heard.kept) >= _KEPT:
            raise Unready(f"git {words[0]}: its answer is longer than {_KEPT} bytes")
        return bytes(heard.kept)

    def _wait(self, pid: int, deadline: float) -> int | None:
        while (code := self._processes.code(pid)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                self._processes.signal_group(pid, signal.SIGKILL)
                return None
            self._loop.turn(left)
        return code


class _Kept:
    def __init__(self) -> None:
        self.kept = bytearray()

    def __call__(self, piece: bytes) -> None:
        self.kept += piece[: max(0, _KEPT - len(self.kept))]

    def text(self, mask: Mask) -> str:
        """The last lines, as one, masked; what git advises the one who types is left out."""
        said = self.kept.decode("utf-8", "replace").splitlines()
        # The last line may be half of one, and end in half a value.
        whole = said[:-1] if len(self.kept) >= _KEPT else said
        lines = [line.strip() for line in whole if line.strip() and not line.startswith("hint:")]
        return mask.cut("; ".join(lines[-5:]), _LONGEST)
