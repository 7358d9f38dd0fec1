"""Repositories of others, fetched and pinned: a mirror per address, a bundle per commit.

git runs as an unprivileged user, without hooks, submodules, filters or the machine's configuration, with limits of time
and size. Nothing here ever runs on a tree an agent touched.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import ipaddress
import os
import re
import signal
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from mooring.base.errors import Missing, Unavailable, Unfit
from mooring.base.hidden import Hidden
from mooring.base.unprivileged import ProcessUser

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SCP = re.compile(r"(?:[^/@:]+@)?(?P<host>[^/:]+):(?!//)")
_PORTS = {"https": 443, "http": 80, "ssh": 22}
_MOST_SAID = 4_000
_MOST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLimits:
    """What fetching may take. `hosts` may be at private addresses; `file` URLs are for one's own machine.

    `authorities` are certificates to trust instead of the system's, PEM.
    """

    seconds: float
    size: int
    allow_file: bool = False
    hosts: frozenset[str] = frozenset()
    authorities: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCredential:
    """Who asks for a repository. What one `identity` fetched is not given to another."""

    identity: str
    username: str
    password: Hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How git reaches a repository: settings, and descriptors it inherits."""

    settings: tuple[str, ...] = ()
    inherited: tuple[int, ...] = ()


_DIRECT = _Way()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """One commit of a repository, and the bundle that holds it with its history under `reference`."""

    url: str
    mirror: Path
    commit: str
    reference: str
    bundle: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """The mirrors under `directory`, kept by `user`. A mirror belongs to one address and one who asks; its bundles are
    made once."""

    directory: Path
    user: ProcessUser
    limits: GitLimits

    async def pin(self, url: str, ref: str | None, credential: GitCredential | None = None) -> Pinned:
        """The commit `ref` names there now (a branch, a tag or a whole commit id; None: the default branch).

        Always asks the repository itself, as who asks. Raises Missing (no such repository or ref, or not for them),
        Unfit (address refused), Unavailable (too slow, too large, disk full).
        """
        pins = await asyncio.to_thread(self._address, url)
        mirror = self._mirror(url, credential)
        async with self._locked(mirror):
            if not (mirror / "HEAD").exists():
                await self._git(["init", "--quiet", "--bare", str(mirror)], cwd=self.directory)
            with _way(url, pins, credential) as way:
                commit, name = await self._resolve(mirror, url, ref, way)
                bundle = mirror / "bundles" / f"{commit}.bundle"
                if not bundle.exists():
                    await self._fetch(mirror, url, name or commit, way)
                    await self._bundle(mirror, url, commit, bundle)
        return Pinned(url=url, mirror=mirror, commit=commit, reference=f"refs/mooring/{commit}", bundle=bundle)

    async def text(self, pinned: Pinned, path: str) -> str | None:
        """A file of the commit, up to 1 MiB, invalid UTF-8 replaced; None where there is none."""
        git = ["cat-file", "blob", f"{pinned.commit}:{path}"]
        code, out, _ = await self._run(git, cwd=pinned.mirror)
        return None if code else out[:_MOST_TEXT].decode(errors="replace")

    async def archive(self, pinned: Pinned, path: str, out: IO[bytes]) -> None:
        """Write a directory of the commit ("" is its root) to an open file, as a tar. Raises Missing, Unavailable."""
        git = ["archive", "--format=tar", "--", f"{pinned.commit}:{path}"]
        code, _, err = await self._run(git, cwd=pinned.mirror, stdout=out.fileno())
        if code:
            said = err.decode(errors="replace").strip()[:_MOST_SAID]
            if "not a valid object name" in said or "not a tree object" in said:
                raise Missing(f"the repository {pinned.url} has no directory {path!r} there", url=pinned.url, path=path)
            raise _failure(pinned.url, said)

    # --- the steps ---

    def _mirror(self, url: str, credential: GitCredential | None) -> Path:
        # No URL holds a line break: two who ask never meet in one name.
        who = "" if credential is None else f"\n{credential.identity}"
        return self.directory / hashlib.sha256(f"{url}{who}".encode()).hexdigest()[:40]

    @contextlib.asynccontextmanager
    async def _locked(self, mirror: Path) -> AsyncGenerator[None]:
        """One fetch per mirror at a time, among all processes of this machine."""
        self._make_directories(mirror)
        with (mirror / "lock").open("ab") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            yield

    def _make_directories(self, mirror: Path) -> None:
        home = self.directory / "home"
        for path in (self.directory, home, mirror, mirror / "bundles"):
            if not path.exists():
                path.mkdir(parents=True, exist_ok=True, mode=0o755)
                self.user.own(path)
        # What was fetched with a group's credential is for no other user of the machine.
        if self.directory.stat().st_mode & 0o077:
            self.directory.chmod(0o700)
        config = home / "gitconfig"
        if not config.exists():
            fresh = home / f"gitconfig.{os.getpid()}"
            fresh.write_text(_CONFIG, encoding="utf-8")
            fresh.rename(config)

    def _address(self, url: str) -> tuple[str, ...]:
        """Look at where the URL leads before git goes there. What pins the looked-up address, as git settings."""
        parts = urlsplit(url)
        scp = None if parts.scheme else _SCP.match(url)
        scheme, host = ("ssh", scp["host"]) if scp else (parts.scheme, parts.hostname or "")
        if scheme == "file":
            if not self.limits.allow_file:
                raise Unfit(
                    f"repo_url: file URLs are not allowed here ({url}); set MOORING_ALLOW_FILE_REPOSITORIES=yes"
                )
            return ()
        if scheme not in _PORTS or (scheme == "http" and host not in self.limits.hosts) or not host:
            raise Unfit(f"repo_url: {url} is neither https nor ssh", url=url)
        port = parts.port or _PORTS[scheme]
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unavailable(f"cannot look up {host} ({error.strerror}), needed for {url}", url=url) from error
        address = str(found[0][4][0])
        if host not in self.limits.hosts and not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise Unfit(f"repo_url: {host} is at the private address {address}; list it in MOORING_GIT_HOSTS", url=url)
        if scheme == "ssh":
            return (f"core.sshCommand=ssh -oBatchMode=yes -oHostName={address} -oHostKeyAlias={host}",)
        # What was looked at is what is connected to: no second look-up, no redirect elsewhere.
        literal = f"[{address}]" if ":" in address else address
        trusted = () if self.limits.authorities is None else (f"http.sslCAInfo={self.limits.authorities}",)
        return (f"http.curloptResolve={host}:{port}:{literal}", "http.followRedirects=false", *trusted)

    async def _resolve(self, mirror: Path, url: str, ref: str | None, way: _Way) -> tuple[str, str | None]:
        """The commit and the full name of the ref; no name when a commit id was asked for."""
        said = await self._git(["ls-remote", "--", url], cwd=mirror, way=way, url=url)
        there: dict[str, str] = {}
        for line in said.decode(errors="replace").splitlines():
            commit, _, name = line.partition("\t")
            there[name] = commit
        if not there:
            raise Missing(f"the repository {url} is empty", url=url)
        names = ("HEAD",) if ref is None else (ref, f"refs/heads/{ref}", f"refs/tags/{ref}")
        found = next((name for name in names if name in there), None)
        if found is not None:
            # An annotated tag names a commit one step further.
            return there.get(f"{found}^{{}}", there[found]), found
        if ref is not None and _COMMIT.fullmatch(ref):
            return ref, None
        raise Missing(f"the repository {url} has no branch, tag or commit {ref!r}", url=url, ref=ref)

    async def _fetch(self, mirror: Path, url: str, wanted: str, way: _Way) -> None:
        refs = [wanted]
        if _COMMIT.fullmatch(wanted):
            # Servers need not hand out a commit by its id; with all branches and tags it is there if it is anywhere.
            refs = ["+refs/heads/*:refs/mirror/heads/*", "+refs/tags/*:refs/mirror/tags/*"]
        words = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--recurse-submodules=no"]
        await self._git([*words, "--", url, *refs], cwd=mirror, way=way, url=url)

    async def _bundle(self, mirror: Path, url: str, commit: str, bundle: Path) -> None:
        code, _, _ = await self._run(["cat-file", "-e", f"{commit}^{{commit}}"], cwd=mirror)
        if code:
            raise Missing(f"the repository {url} has no commit {commit}", url=url, ref=commit)
        reference = f"refs/mooring/{commit}"
        await self._git(["update-ref", reference, commit], cwd=mirror)
        fresh = bundle.with_suffix(".new")
        await self._git(["bundle", "create", "--quiet", str(fresh), reference], cwd=mirror, url=url)
        fresh.rename(bundle)

    async def _git(self, words: Sequence[str], *, cwd: Path, way: _Way = _DIRECT, url: str = "") -> bytes:
        """What git prints. Raises Missing or Unavailable with what it says when it fails."""
        code, out, err = await self._run(words, cwd=cwd, way=way)
        if code:
            raise _failure(url, err.decode(errors="replace").strip()[:_MOST_SAID])
        return out

    async def _run(
        self, words: Sequence[str], *, cwd: Path, way: _Way = _DIRECT, stdout: int = asyncio.subprocess.PIPE
    ) -> tuple[int, bytes, bytes]:
        settings = [word for one in (f"protocol.file.allow={self._file()}", *way.settings) for word in ("-c", one)]
        limit = ["prlimit", f"--fsize={self.limits.size}", "--core=0", "--"]
        # Python ignores SIGXFSZ, and git inherits that: it then says "File too large" instead of dying without a word.
        process = await asyncio.create_subprocess_exec(
            *self.user.prefix(), *limit, "git", *settings, *words,
            cwd=cwd, env=self._environment(), start_new_session=True, restore_signals=False, pass_fds=way.inherited,
            stdin=asyncio.subprocess.DEVNULL, stdout=stdout, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self.limits.seconds):
                out, err = await process.communicate()
        except TimeoutError as error:
            raise Unavailable(f"git took longer than {self.limits.seconds:g} s ({words[0]})") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return process.returncode or 0, out or b"", err

    def _file(self) -> str:
        return "always" if self.limits.allow_file else "never"

    def _environment(self) -> dict[str, str]:
        home = self.directory / "home"
        return {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C",
            "HOME": str(home),
            "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }


@contextlib.contextmanager
def _way(url: str, settings: tuple[str, ...], credential: GitCredential | None) -> Generator[_Way]:
    """How git gets there, for as long as the block runs.

    A password goes through memory of git's own that a descriptor names: never an argument, a variable or a file, where
    others of the machine could read it; and for the host of the URL alone.
    """
    parts = urlsplit(url)
    if credential is None or parts.scheme not in ("https", "http"):
        yield _Way(settings=settings)
        return
    said = f"username={credential.username}\npassword={credential.password.text()}\n"
    handle = os.memfd_create("credential")
    try:
        os.write(handle, said.encode())
        answer = (
            f'credential.{parts.scheme}://{parts.netloc}.helper=!f() {{ test "$1" != get || cat /dev/fd/{handle}; }}; f'
        )
        yield _Way(settings=(*settings, answer), inherited=(handle,))
    finally:
        os.close(handle)


# safe.directory: a repository on this machine belongs to whoever wrote it; we only read objects from it.
_CONFIG = """\
[protocol]
    allow = never
[protocol "https"]
    allow = always
[protocol "http"]
    allow = always
[protocol "ssh"]
    allow = always
[core]
    hooksPath = /dev/null
    fsmonitor = false
    sshCommand = ssh -oBatchMode=yes
[credential]
    helper =
[safe]
    directory = *
"""


def _failure(url: str, said: str) -> Missing | Unavailable:
    """What git's failure means for the one who named the repository."""
    about = f"the repository {url}" if url else "git"
    if "No space left on device" in said:
        return Unavailable(f"the disk is full while fetching {about}", url=url)
    if "File too large" in said:
        return Unavailable(f"{about} is larger than MOORING_GIT_BYTES allows", url=url)
    if "Failed to traverse parents" in said:
        return Missing(
            f"{about} is a shallow clone: its history is cut off; complete it: git fetch --unshallow", url=url
        )
    if "Permission denied" in said and url.startswith("file:"):
        return Unavailable(f"{about} cannot be read by the user runs have (mooring-run); copy it where it can", url=url)
    if "Authentication failed" in said or "could not read Username" in said or "could not read Password" in said:
        says = "it needs a user and a password, or refuses those it was given"
        return Missing(f"cannot read {about}: {says}; see the group's git credentials (docs/secrets.md)", url=url)
    return Missing(f"cannot read {about}: {said or 'git failed and said nothing'}", url=url)
