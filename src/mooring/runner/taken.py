"""A look at a repository an agent touched through one of our own: its objects and its work tree, none of its
configuration. Attributes may name filters and drivers; nothing here says what those would run."""

from __future__ import annotations

import os
import time

from .errors import Unready
from .files import beneath, pieces, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .files import Scratch
    from .git import Git
    from .words import Repository

    Note = Callable[[str], None]

_MOST_COMMITS = 1000
LONGEST_TITLE = 2000
_MOST_HEADS = 100
_MOST_FILES = 200_000
_QUICK_SECONDS = 5.0
# git holds a file whole while it writes its difference, and a patch is no place for more.
LARGEST_FILE = 64 << 20
# A file that a rule of the repository says to recode, and that cannot be.
_NO_RECODING = "* !working-tree-encoding\n"
_SUBMODULE = b"160000"
_NO_BLOB = b"0" * 40


class Taken:
    """Raises Unready where the repository cannot be looked at. What is left out is said to `note`; `most` bytes of
    files git does not know yet are taken, the small ones first."""

    def __init__(
        self, git: Git, scratch: Scratch, repository: Repository, deadline: float, most: int, note: Note
    ) -> None:  # fmt: skip
        self._git = git
        self._scratch = scratch
        self._deadline = deadline
        self._note = note
        self._base = repository["commit"]
        self._tree = repository["path"]
        self._ours = f"{scratch.path}/taken-{os.urandom(4).hex()}"
        git.run("init", "--quiet", "--bare", "--template=", "--", self._ours, deadline=deadline)
        _write(f"{self._ours}/objects/info/alternates", f"{self._their_objects()}\n")
        self._environment = {
            "GIT_DIR": self._ours, "GIT_WORK_TREE": self._tree, "GIT_INDEX_FILE": f"{self._ours}/index",
        }  # fmt: skip
        self._heads = self._their_heads()
        # What was committed although it is ignored is in their head, so that is where the index begins.
        self._run("read-tree", self._heads[0] if self._heads else self._base)
        self._add(self._too_large(most))
        self._leave_out_large_blobs()

    def _run(self, *words: str, stdin: int | None = None, stdout: int | None = None) -> bytes:
        return self._git.run(
            *words, cwd=self._tree, deadline=self._deadline, environment=self._environment, stdin=stdin, stdout=stdout
        )

    def _theirs(self, *words: str) -> bytes:
        """Ask git about their repository itself: what has no files to read is answered at once, or waits for ever."""
        deadline = min(self._deadline, time.monotonic() + _QUICK_SECONDS)
        return self._git.run(*words, cwd=self._tree, deadline=deadline)

    def _spoken(self, *words: str) -> int:
        """A descriptor of everything git says, however long; the taker closes it."""
        path, descriptor = self._scratch.file()
        self._scratch.forget(path)
        try:
            self._run(*words, stdout=descriptor)
        except Unready:
            os.close(descriptor)
            raise
        return descriptor

    def _records(self, *words: str) -> Iterator[bytes]:
        """What git says, piece by piece between NULs."""
        descriptor = self._spoken(*words)
        try:
            yield from records(pieces(descriptor))
        finally:
            os.close(descriptor)

    def _told(self, words: tuple[str, ...], said: Iterable[bytes]) -> bytes:
        """Run git with these records as its input."""
        path, descriptor = self._scratch.file(b"".join(one + b"\0" for one in said))
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            return self._run(*words, stdin=descriptor)
        finally:
            self._scratch.close(path, descriptor)

    def _their_objects(self) -> str:
        """Where their objects lie, also when .git is a link or names another place."""
        said = self._theirs("rev-parse", "--git-path", "objects")
        place = os.path.join(self._tree, os.fsdecode(said).rstrip("\n"))
        if "\n" in place:
            raise Unready(f"{self._tree}: its objects lie at a place with a line break in its name")
        return place

    def _their_heads(self) -> list[str]:
        """The commits their HEAD and branches stand at, as far as they are commits."""
        words = ("for-each-ref", f"--count={_MOST_HEADS}", "--format=%(objectname)", "refs/heads")
        found: list[str] = []
        for asked in (("rev-parse", "--verify", "HEAD^{commit}"), words):
            try:
                said = self._theirs(*asked)
            except Unready:
                continue
            found += [line for line in said.decode("ascii", "replace").split() if _is_id(line)]
        return [head for head in dict.fromkeys(found) if self._is_commit(head)][:_MOST_HEADS]

    def _is_commit(self, head: str) -> bool:
        try:
            return self._run("cat-file", "-t", head).strip() == b"commit"
        except Unready:
            return False

    def _too_large(self, most: int) -> list[bytes]:
        """The files that are too large to take, and the new ones beyond `most` bytes together, the largest first."""
        left_out = [name for name, size in self._sizes("--cached") if size > LARGEST_FILE]
        for name in left_out:
            self._note(f"{_shown(name)} is not in the patch as it is: it is larger than {LARGEST_FILE} bytes")
        taken = dropped = 0
        new = [(size, name) for name, size in self._sizes("--others", "--exclude-standard")]
        if len(new) > _MOST_FILES:
            raise Unready(f"there are {len(new)} new files, at most {_MOST_FILES}: name in .gitignore what is not work")
        for size, name in sorted(new):
            taken += size
            if size > LARGEST_FILE or taken > most:
                left_out.append(name)
                dropped += 1
        if dropped:
            self._note(
                f"{dropped} new files are not in the patch (the largest is {_shown(left_out[-1])}): a file may have "
                f"{LARGEST_FILE} bytes there, all together {most}; put what is larger into /outputs"
            )
        return left_out

    def _sizes(self, *which: str) -> Iterator[tuple[bytes, int]]:
        for name in self._records("ls-files", "-z", *which):
            try:
                yield name, os.lstat(os.path.join(os.fsencode(self._tree), name)).st_size
            except OSError:
                continue  # It was removed, or cannot be looked at: git says which.

    def _add(self, left_out: list[bytes]) -> None:
        """Bring the index to the work tree. A file that cannot be taken must not cost all the others."""
        paths = [b":/", *(b":(top,exclude,literal)" + name for name in left_out)]
        words = ("add", "--all", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul")
        try:
            self._told(words, paths)
        except Unready as first:
            self._note(f"not everything is in the patch: {first}")
            _write(f"{self._ours}/info/attributes", _NO_RECODING)
            try:
                self._told(words, paths)
            except Unready as second:
                if str(second) != str(first):
                    self._note(f"not everything is in the patch: {second}")

    def _changed(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Mode, blob and path of every file the patch adds or changes."""
        said = self._records(*self._diff("--raw", "-z", "--no-renames", "--diff-filter=d", "--abbrev=40"))
        for about in said:
            _, mode, _, blob, _ = about.split(b" ", 4)
            yield mode, blob, next(said)

    def _leave_out_large_blobs(self) -> None:
        """Put back in the index as they were the files that were committed too large for a patch."""
        changed = list(self._changed())
        for mode, _, name in changed:
            if mode == _SUBMODULE:
                self._note(f"{_shown(name)} is a repository of its own: the patch holds the id of its commit alone")
        blobs = {blob for mode, blob, _ in changed if mode != _SUBMODULE and blob != _NO_BLOB}
        path, descriptor = self._scratch.file(b"".join(blob + b"\n" for blob in blobs))
        sizes_path, sizes = self._scratch.file()
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            self._run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=descriptor, stdout=sizes)
            lines = (line.split() for line in records(pieces(sizes), b"\n"))
            large = {line[0] for line in lines if line[1].isdigit() and int(line[1]) > LARGEST_FILE}
        finally:
            self._scratch.close(path, descriptor)
            self._scratch.close(sizes_path, sizes)
        names = [name for _, blob, name in changed if blob in large]
        for name in names:
            self._note(f"{_shown(name)} is not in the patch: it is larger than {LARGEST_FILE} bytes")
        if names:
            paths = (b":(top,literal)" + name for name in names)
            self._told(("reset", "--quiet", self._base, "--pathspec-from-file=-", "--pathspec-file-nul"), paths)

    def patch(self) -> int:
        """A descriptor of the whole difference; the taker closes it."""
        return self._spoken(*self._diff("--binary", "--full-index", "-p", "--find-renames"))

    def _diff(self, *options: str) -> tuple[str, ...]:
        return ("diff-index", "--cached", "--no-ext-diff", "--no-textconv", "--no-color", *options, self._base, "--")

    def counts(self) -> dict[str, int]:
        counts = {"files": 0, "insertions": 0, "deletions": 0}
        for line in self._records(*self._diff("--numstat", "-z", "--no-renames")):
            added, removed, _ = line.split(b"\t", 2)
            counts["files"] += 1
            counts["insertions"] += int(added) if added.isdigit() else 0
            counts["deletions"] += int(removed) if removed.isdigit() else 0
        return counts

    def changed_files(self) -> Iterator[bytes]:
        """The content of every file the patch adds or changes, as it lies in the work tree."""
        for _, _, name in self._changed():
            try:
                descriptor = beneath(self._tree, os.fsdecode(name))
            except OSError:
                continue  # A link or a submodule: the patch itself holds all there is of it.
            yield from pieces(descriptor)
            yield b"\n"
            os.close(descriptor)

    def _new(self) -> list[str]:
        return [*self._heads, f"^{self._base}"]

    def commits(self) -> list[tuple[str, str]]:
        """The new commits, newest first, at most 1,000: their ids and titles. Git cuts a title at 2,000 columns."""
        if not self._heads:
            return []
        form = f"--format=%H %<({LONGEST_TITLE},trunc)%s"
        said = self._records(
            "log", "-z", f"--max-count={_MOST_COMMITS}", "--no-show-signature", form, *self._new(), "--"
        )
        lines = [one.decode("utf-8", "replace") for one in said]
        return [(line[:40], line[41:].rstrip()) for line in lines]

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

    def objects(self, reader: Callable[[bytes], None]) -> None:
        """Hand every object of the new commits, decoded, to `reader`."""
        listed = self._spoken("rev-list", "--objects", "--no-object-names", *self._new())
        try:
            os.lseek(listed, 0, os.SEEK_SET)
            self._git.run(
                "cat-file", "--batch", "--buffer", cwd=self._tree, deadline=self._deadline,
                environment=self._environment, stdin=listed, reader=reader,
            )  # fmt: skip
        finally:
            os.close(listed)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(os.fsencode(text))


def _shown(name: bytes) -> str:
    return ascii(name.decode("utf-8", "replace")) if not name.isascii() else name.decode()


def _is_id(text: str) -> bool:
    return len(text) == 40 and not text.strip("0123456789abcdef")  # noqa: PLR2004 - the digits of a SHA-1
