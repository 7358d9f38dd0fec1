"""Real git repositories for tests: made of files, readable by the user that runs have."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Author",
    "GIT_AUTHOR_EMAIL": "author@localhost",
    "GIT_COMMITTER_NAME": "Author",
    "GIT_COMMITTER_EMAIL": "author@localhost",
}


def git(place: Path, *words: str) -> str:
    """What git prints, trimmed."""
    command = ["git", "-c", "init.defaultBranch=main", "-c", "safe.directory=*", *words]
    done = subprocess.run(command, cwd=place, env=_ENVIRONMENT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(place: Path, files: Mapping[str, str | bytes], message: str = "change") -> str:
    """Write the files and commit everything. The commit's id."""
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(place, "rev-parse", "HEAD")


def repository(place: Path, files: Mapping[str, str | bytes]) -> str:
    """A repository of one commit at `place`. Its URL."""
    place.mkdir(parents=True)
    git(place, "init", "--quiet")
    commit(place, files, "first")
    return place.as_uri()
