"""What is there before the agent starts: repositories, skills, instructions."""

from __future__ import annotations

import os
import time

from .errors import Unready
from .files import write_all
from .link import insist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .files import Scratch
    from .git import Git
    from .link import Link
    from .words import Agent, Assignment, Repository, Skill

MOUNTED_INPUTS = "/run/mooring/inputs"
_GIT_SECONDS = 600.0
_IDENTITY = (
    "[user]\n\tname = Mooring\n\temail = mooring@localhost\n[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n"
)
# Where agents look for a user's instructions, below HOME. Claude takes them with session/new instead.
_INSTRUCTION_FILES = (".config/opencode/AGENTS.md", ".codex/AGENTS.md", ".gemini/GEMINI.md")
_SKILL_HOMES = (".agents/skills", ".claude/skills")


class Workspace:
    def __init__(self, link: Link, git: Git, scratch: Scratch) -> None:
        self._link = link
        self._git = git
        self._scratch = scratch
        self._inputs: dict[int, str] = {}

    def prepare(self, assignment: Assignment) -> None:
        """Raises Unready, naming what is missing."""
        home = assignment["home"]
        for path in (home, assignment["workdir"], assignment["outputs"]):
            os.makedirs(path, exist_ok=True)
        if assignment.get("resumed"):
            # All of it is there, as an agent left it: nothing of ours is put where that may have made links.
            return
        _write(f"{home}/.gitconfig", _IDENTITY)
        for repository in assignment["repositories"]:
            self._checkout(repository)
        for skill in assignment["skills"]:
            self._install(skill, home)
        if assignment["instructions"]:
            for name in _INSTRUCTION_FILES:
                _write(f"{home}/{name}", assignment["instructions"])
        for path in self._inputs.values():
            self._scratch.forget(path)

    def _bundle(self, number: int) -> str:
        """The path of an input: mounted, or fetched over the link."""
        mounted = f"{MOUNTED_INPUTS}/{number}"
        if os.path.exists(mounted):
            return mounted
        if number not in self._inputs:
            path, descriptor = self._scratch.file(suffix=".bundle")

            def attempt() -> bytes:
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                return self._link.ask(
                    "GET", f"/link/v1/inputs/{number}", sink=lambda piece: write_all(descriptor, piece)
                )

            insist(attempt)
            os.close(descriptor)
            self._inputs[number] = path
        return self._inputs[number]

    def _clone(self, number: int, commit: str, path: str) -> None:
        """A repository at `path` with `commit` checked out, detached. A directory that is there already may hold files
        of the workspace, but no repository."""
        deadline = time.monotonic() + _GIT_SECONDS
        bundle = self._bundle(number)
        if len(commit) != 40 or commit.strip("0123456789abcdef"):  # noqa: PLR2004 - the digits of a SHA-1
            raise Unready(f"{path}: {commit!r} is no commit id")
        os.makedirs(path, exist_ok=True)
        if os.path.lexists(f"{path}/.git"):
            raise Unready(f"{path} holds a repository already")
        self._git.run("init", "--quiet", "--template=", "--", path, deadline=deadline)
        # Objects alone: what the bundle calls its refs is nobody's business.
        self._git.run("bundle", "unbundle", bundle, cwd=path, deadline=deadline)
        self._git.run("checkout", "--quiet", "--force", "--detach", commit, "--", cwd=path, deadline=deadline)

    def _checkout(self, repository: Repository) -> None:
        path, deadline = repository["path"], time.monotonic() + _GIT_SECONDS
        self._clone(repository["input"], repository["commit"], path)
        branch, origin = repository.get("branch"), repository.get("origin")
        if branch:
            self._git.run("checkout", "--quiet", "-b", branch, cwd=path, deadline=deadline)
        if origin:
            self._git.run("remote", "add", "--", "origin", without_credentials(origin), cwd=path, deadline=deadline)
        if repository["subpath"] and not os.path.isdir(f"{path}/{repository['subpath']}"):
            raise Unready(f"{path}: there is no directory {repository['subpath']} at {repository['commit'][:12]}")
        if repository["read_only"]:
            make_read_only(path)

    def _install(self, skill: Skill, home: str) -> None:
        targets = [f"{home}/{place}/{skill['name']}" for place in _SKILL_HOMES]
        text, number = skill["text"], skill["input"]
        if text is not None:
            for target in targets:
                _write(f"{target}/SKILL.md", text)
            return
        if number is None or not skill["commit"]:
            raise Unready(f"skill {skill['name']}: it has neither a text nor an input with a commit")
        source = f"{self._scratch.path}/skill-{skill['name']}"
        self._clone(number, skill["commit"], source)
        directory = f"{source}/{skill['subpath']}".rstrip("/")
        inside = os.path.realpath(directory).startswith(os.path.realpath(source))
        if not inside or not os.path.isfile(f"{directory}/SKILL.md"):
            raise Unready(f"skill {skill['name']}: there is no SKILL.md in {skill['subpath'] or 'its repository'}")
        for target in targets:
            copy_tree(directory, target)
        remove_tree(source)


def _write(path: str, text: str) -> None:
    """Make the file anew. A home that outlived an earlier run may hold a link to one of our descriptors there."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    write_all(descriptor, text.encode())
    os.close(descriptor)


def without_credentials(url: str) -> str:
    """`url` without user and password; scp-like and ssh names keep their user, which is no secret."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "ssh":
        return url
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path


def make_read_only(path: str) -> None:
    for place, _, names in os.walk(path):
        for name in names:
            full = f"{place}/{name}"
            if not os.path.islink(full):
                os.chmod(full, os.stat(full).st_mode & ~0o222)
        os.chmod(place, os.stat(place).st_mode & ~0o222)


def copy_tree(source: str, target: str) -> None:
    """Copy files, modes and links; a repository's own directory is left out."""
    os.makedirs(target, exist_ok=True)
    for entry in os.scandir(source):
        to = f"{target}/{entry.name}"
        if entry.name == ".git":
            continue
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), to)
        elif entry.is_dir():
            copy_tree(entry.path, to)
        else:
            with open(entry.path, "rb") as file, open(to, "wb") as copy:
                while piece := file.read(262144):
                    copy.write(piece)
            os.chmod(to, entry.stat().st_mode & 0o777)


def remove_tree(path: str) -> None:
    for place, directories, names in os.walk(path, topdown=False):
        for name in names:
            os.unlink(f"{place}/{name}")
        for name in directories:
            full = f"{place}/{name}"
            if os.path.islink(full):
                os.unlink(full)
            else:
                os.rmdir(full)
    os.rmdir(path)


def speaks_meta(agent: Agent) -> bool:
    """Whether this agent takes its instructions with session/new."""
    return any("claude" in os.path.basename(word) for word in agent["command"])
