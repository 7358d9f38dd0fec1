"""What a run leaves: the patch, the new commits, the files under /outputs. Taken after every child is dead."""

from __future__ import annotations

import os

from .errors import Unready
from .files import beneath, pieces, walk
from .link import Answered, Away, insist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .files import Scratch
    from .git import Git
    from .link import Link
    from .transcript import Transcript
    from .words import Limits, Repository

_MOST_COMMITS = 1000
# What an artifact's name may hold in a request line as it is.
_PLAIN = bytes(byte for byte in range(0x21, 0x7F) if byte not in b"%?#")


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
        self.commits: list[dict[str, str]] = []
        self.patch: dict[str, int] | None = None

    def repository(self, repository: Repository, suffix: str) -> None:
        """The difference to the commit we began with, and the commits made since. Raises Unready."""
        taken = _Taken(self._git, self._scratch, repository, self._deadline)
        patch = taken.patch()
        found = self._secret_in(patch, taken)
        size = os.fstat(patch).st_size
        if size:
            self._send(f"changes{suffix}.patch", patch, found)
        os.close(patch)
        bundle = taken.bundle()
        if bundle is not None:
            self._send(f"commits{suffix}.bundle", bundle, found or self._secret_in_commits(taken))
            os.close(bundle)
        if not suffix:
            self.patch, self.commits = taken.counts(), taken.commits()

    def _secret_in(self, patch: int, taken: _Taken) -> str | None:
        """The name of a secret in the patch or in a file it changes (a patch holds binary files recoded)."""
        if not self._transcript.mask.forms:
            return None
        return self._transcript.mask.finds(pieces(patch)) or self._transcript.mask.finds(taken.changed_files())

    def _secret_in_commits(self, taken: _Taken) -> str | None:
        if not self._transcript.mask.forms:
            return None
        objects = taken.objects()
        found = self._transcript.mask.finds(pieces(objects))
        os.close(objects)
        return found

    def outputs(self, root: str) -> None:
        """Every regular file below `root`; what is not taken is named with the reason."""
        left = 0
        for path, entry in walk(root):
            if self._sent >= self._limits["artifacts"]:
                left += 1
                if isinstance(entry, int):
                    os.close(entry)
                continue
            if isinstance(entry, str):
                self._transcript.note(f"{root}/{path} was not taken: it {entry}")
                continue
            try:
                if not path.isprintable() or _surrogates(path):
                    self._transcript.note(f"{root}/{path!r} was not taken: its name is not printable")
                else:
                    self._send(f"outputs/{path}", entry, self._transcript.mask.finds(pieces(entry)))
            finally:
                os.close(entry)
        if left:
            most = self._limits["artifacts"]
            self._transcript.emit("error", reason=f"{left} entries of {root} were not taken: at most {most} artifacts")

    def _send(self, name: str, descriptor: int, secret: str | None) -> None:
        size = os.fstat(descriptor).st_size
        withheld = None
        if secret is not None:
            withheld = f"it holds the value of {secret}"
        elif size > self._limits["artifact_bytes"]:
            withheld = f"it is larger than {self._limits['artifact_bytes']} bytes"
        else:
            withheld = self._put(name, descriptor, size)
        data: dict[str, object] = {"name": name, "size": size, "sha256": _sha256(descriptor)}
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


class _Taken:
    """A look at a repository an agent touched through one of our own: its objects and its work tree, none of its
    configuration. Attributes may name filters and drivers; nothing here says what those would run."""

    def __init__(self, git: Git, scratch: Scratch, repository: Repository, deadline: float) -> None:
        self._git = git
        self._scratch = scratch
        self._deadline = deadline
        self._base = repository["commit"]
        self._tree = repository["path"]
        self._ours = f"{scratch.path}/taken-{os.urandom(4).hex()}"
        git.run("init", "--quiet", "--bare", "--template=", "--", self._ours, deadline=deadline)
        with open(f"{self._ours}/objects/info/alternates", "w", encoding="utf-8") as alternates:
            alternates.write(f"{self._tree}/.git/objects\n")
        self._environment = {
            "GIT_DIR": self._ours, "GIT_WORK_TREE": self._tree, "GIT_INDEX_FILE": f"{self._ours}/index",
        }  # fmt: skip
        self._heads = self._their_heads()
        # What was committed although it is ignored is in their head, so that is where the index begins.
        self._run("read-tree", self._heads[0] if self._heads else self._base)
        # A file that cannot be read must not cost all the others.
        self._run("add", "--all", "--ignore-errors", "--", ".", complains=True)

    def _run(self, *words: str, stdin: int | None = None, stdout: int | None = None, complains: bool = False) -> bytes:
        try:
            return self._git.run(
                *words,
                cwd=self._tree,
                deadline=self._deadline,
                environment=self._environment,
                stdin=stdin,
                stdout=stdout,
            )
        except Unready:
            if complains:
                return b""
            raise

    def _listed(self, *words: str) -> bytes:
        """The whole output, however long; it may be more than a pipe's reader should hold twice."""
        path, descriptor = self._scratch.file()
        self._scratch.forget(path)
        try:
            self._run(*words, stdout=descriptor)
            return b"".join(pieces(descriptor))
        finally:
            os.close(descriptor)

    def _their_heads(self) -> list[str]:
        """The commits their branches and HEAD stand at, as far as they are commits."""
        words = ("for-each-ref", "--format=%(objectname)", "refs/heads")
        found: list[str] = []
        for asked in (("rev-parse", "--verify", "HEAD^{commit}"), words):
            try:
                said = self._git.run(*asked, cwd=self._tree, deadline=self._deadline)
            except Unready:
                continue
            found += [line for line in said.decode("ascii", "replace").split() if _is_id(line)]
        return [head for head in dict.fromkeys(found) if self._is_commit(head)][:100]

    def _is_commit(self, head: str) -> bool:
        try:
            return self._run("cat-file", "-t", head).strip() == b"commit"
        except Unready:
            return False

    def patch(self) -> int:
        path, descriptor = self._scratch.file(suffix=".patch")
        self._scratch.forget(path)
        self._run(*self._diff("--binary", "--full-index", "-p", "--find-renames"), stdout=descriptor)
        return descriptor

    def _diff(self, *options: str) -> tuple[str, ...]:
        return ("diff-index", "--cached", "--no-ext-diff", "--no-textconv", "--no-color", *options, self._base, "--")

    def counts(self) -> dict[str, int]:
        counts = {"files": 0, "insertions": 0, "deletions": 0}
        for line in self._listed(*self._diff("--numstat", "-z", "--no-renames")).split(b"\0"):
            if not line:
                continue
            added, removed, _ = line.split(b"\t", 2)
            counts["files"] += 1
            counts["insertions"] += int(added) if added.isdigit() else 0
            counts["deletions"] += int(removed) if removed.isdigit() else 0
        return counts

    def changed_files(self) -> Iterator[bytes]:
        """The content of every file the patch adds or changes, as it lies in the work tree."""
        for name in self._listed(*self._diff("--name-only", "-z", "--diff-filter=d")).split(b"\0"):
            if not name:
                continue
            try:
                descriptor = beneath(self._tree, os.fsdecode(name))
            except OSError:
                continue  # A link or a submodule: the patch itself holds all there is of it.
            yield from pieces(descriptor)
            yield b"\n"
            os.close(descriptor)

    def _new(self) -> list[str]:
        return [*self._heads, f"^{self._base}"]

    def commits(self) -> list[dict[str, str]]:
        """The new commits, newest first, at most 1,000."""
        if not self._heads:
            return []
        said = self._listed(
            "log", f"--max-count={_MOST_COMMITS}", "--no-show-signature", "--format=%H %s", *self._new(), "--"
        )
        lines = said.decode("utf-8", "replace").splitlines()
        return [{"id": line[:40], "title": line[41:241]} for line in lines]

    def bundle(self) -> int | None:
        """The new commits, each head under the name `refs/heads/<n>`, the one checked out as 0; None without any."""
        if not self._heads or not self._run("rev-list", "--max-count=1", *self._new(), "--").strip():
            return None
        names = [f"refs/heads/{number}" for number in range(len(self._heads))]
        for name, head in zip(names, self._heads):  # noqa: B905 - strict= is younger than Python 3.9
            self._run("update-ref", "--no-deref", name, head)
        path, descriptor = self._scratch.file(suffix=".bundle")
        os.close(descriptor)
        self._run("bundle", "create", "--quiet", path, *names, f"^{self._base}")
        opened = self._scratch.open(os.path.basename(path))
        self._scratch.forget(path)
        return opened

    def objects(self) -> int:
        """Every object of the new commits, decoded."""
        found = self._listed("rev-list", "--objects", "--no-object-names", *self._new())
        listed, list_descriptor = self._scratch.file(found)
        content, descriptor = self._scratch.file()
        os.lseek(list_descriptor, 0, os.SEEK_SET)
        self._run("cat-file", "--batch", "--buffer", stdin=list_descriptor, stdout=descriptor)
        self._scratch.close(listed, list_descriptor)
        self._scratch.forget(content)
        return descriptor


def _is_id(text: str) -> bool:
    return len(text) == 40 and not text.strip("0123456789abcdef")  # noqa: PLR2004 - the digits of a SHA-1


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
