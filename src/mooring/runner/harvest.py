"""What a run leaves: the patch, the new commits, the files under /outputs. Taken after every child is dead."""

from __future__ import annotations

import os
import time

from .files import pieces, walk
from .link import Answered, Away, insist
from .mask import storable
from .taken import LONGEST_TITLE, Taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .files import Scratch
    from .git import Git
    from .link import Link
    from .transcript import Transcript
    from .words import Limits, Repository

# What an artifact's name may hold in a request line as it is.
_PLAIN = bytes(byte for byte in range(0x21, 0x7F) if byte not in b"%?#")
# What was not taken is named so often; beyond that it is counted.
_MOST_NOTES = 100
_SHOWN_TITLE = 200


class Harvest:
    """`commits` and `patch` are for the report."""

    def __init__(
        self, link: Link, git: Git, scratch: Scratch, transcript: Transcript, limits: Limits, deadline: float
    ) -> None:
        self._link = link
        self._git = git
        self._scratch = scratch
        self._transcript = transcript
        self._limits = limits
        self._deadline = deadline
        self._sent = 0
        self._untold = 0
        self._told = 0
        self.commits: list[dict[str, str]] = []
        self.patch: dict[str, int] | None = None

    def repository(self, repository: Repository, suffix: str) -> None:
        """The difference to the commit we began with, and the commits made since. Raises Unready."""
        most = self._limits["artifact_bytes"]
        taken = Taken(self._git, self._scratch, repository, self._deadline, most, self._note)
        patch = taken.patch()
        found: list[str | None] = [None]

        def secret() -> str | None:
            # A patch holds binary files recoded, so the files are looked through as well.
            mask = self._transcript.mask
            if mask:
                found[0] = mask.finds(pieces(patch)) or mask.finds(taken.changed_files())
            return found[0]

        if os.fstat(patch).st_size:
            self._send(f"changes{suffix}.patch", patch, secret)
        os.close(patch)
        bundle = taken.bundle()
        if bundle is not None:
            self._send(f"commits{suffix}.bundle", bundle, lambda: found[0] or self._secret_in_commits(taken))
            os.close(bundle)
        if not suffix:
            self.patch, self.commits = taken.counts(), [self._shown(*commit) for commit in taken.commits()]

    def _shown(self, commit: str, title: str) -> dict[str, str]:
        """A commit as it is reported: its title masked, then shortened."""
        mask = self._transcript.mask
        if len(title) >= LONGEST_TITLE:
            # git cut it: its end may be the beginning of a value.
            title = mask.split(storable(title.removesuffix("..")[:LONGEST_TITLE]))[0]
        return {"id": commit, "title": mask.cut(title, _SHOWN_TITLE)}

    def _secret_in_commits(self, taken: Taken) -> str | None:
        finder = self._transcript.mask.finder()
        if self._transcript.mask:
            taken.objects(finder)
        return finder.found

    def outputs(self, root: str) -> None:
        """Every regular file below `root`; what is not taken is named with the reason."""
        left = 0
        for path, entry in walk(root):
            if time.monotonic() > self._deadline:
                self._transcript.emit("error", reason=f"{root}: the time was up before everything was taken")
                if isinstance(entry, int):
                    os.close(entry)
                break
            if self._sent >= self._limits["artifacts"]:
                left += 1
                if isinstance(entry, int):
                    os.close(entry)
            elif isinstance(entry, str):
                self._note(f"{root}/{path} was not taken: it {entry}")
            else:
                self._output(root, path, entry)
        if left:
            most = self._limits["artifacts"]
            self._transcript.emit("error", reason=f"{left} entries of {root} were not taken: at most {most} artifacts")
        if self._untold:
            self._transcript.note(f"{self._untold} more of {root} were not taken either")

    def _output(self, root: str, path: str, descriptor: int) -> None:
        mask = self._transcript.mask
        try:
            if not path.isprintable() or _surrogates(path):
                self._note(f"{root}/{path!r} was not taken: its name is not printable")
            elif mask.text(path) != path:
                self._note(f"{root}/{path} was not taken: its name holds the value of a secret")
            else:
                self._send(f"outputs/{path}", descriptor, lambda: mask.finds(pieces(descriptor)))
        finally:
            os.close(descriptor)

    def _note(self, text: str) -> None:
        if self._told < _MOST_NOTES:
            self._told += 1
            self._transcript.note(text)
        else:
            self._untold += 1

    def _send(self, name: str, descriptor: int, secret: Callable[[], str | None]) -> None:
        """Send a file, or say why not. What is too large is not even read."""
        size = os.fstat(descriptor).st_size
        data: dict[str, object] = {"name": name, "size": size}
        if size > self._limits["artifact_bytes"]:
            data["withheld"] = f"it is larger than {self._limits['artifact_bytes']} bytes"
        else:
            data["sha256"] = _sha256(descriptor)
            holds = secret()
            withheld = self._put(name, descriptor, size) if holds is None else f"it holds the value of {holds}"
            if withheld:
                data["withheld"] = withheld
        self._transcript.emit("artifact", **data)

    def _put(self, name: str, descriptor: int, size: int) -> str | None:
        """None, or why the control plane did not take it. Raises Refused."""
        self._sent += 1
        path = f"/link/v1/artifacts/{_quoted(name)}"
        try:
            insist(lambda: self._link.ask("PUT", path, file=(descriptor, size)), self._deadline)
        except (Answered, Away) as error:
            return str(error)
        return None


def _surrogates(path: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in path)


def _quoted(name: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in name.encode())


def _sha256(descriptor: int) -> str:
    import hashlib  # noqa: PLC0415 - 4 ms at start that only the end needs

    digest = hashlib.sha256()
    for piece in pieces(descriptor):
        digest.update(piece)
    return digest.hexdigest()
