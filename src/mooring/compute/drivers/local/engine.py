"""The engine as this machine allows it: tools found, files laid out where the run user reaches them, limits known."""

import asyncio
import hashlib
import os
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path

from mooring.base.errors import Unavailable
from mooring.compute.drivers.base import Capabilities
from mooring.compute.drivers.local import cgroups, seccomp
from mooring.compute.drivers.local.recipe import ETC, HIDDEN_DIRECTORIES, HIDDEN_FILES, MADE, TOP, Host, mountable
from mooring.compute.drivers.local.settings import LocalSettings

_OLDEST = (0, 8)
_OLDEST_PYTHON = (3, 9)
_DOCKER = "or use the docker engine"
_WORDS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    settings: LocalSettings
    host: Host
    trees: cgroups.Trees
    # The shim's text. Filter and made-up files lie in a directory named by their content: a newer version changes none.
    shim: str
    files: Path
    # Why a workspace cannot be laid over a filesystem here; empty where it can.
    no_overlay: str = ""

    def capabilities(self) -> Capabilities:
        missing = [
            f"{limit}: no control group of this machine may be written for it; as root mount cgroups, "
            f"or give the service Delegate=yes, {_DOCKER}."
            for limit in ("cpus", "memory", "pids")
            if limit not in self.trees.limits
        ]
        missing += [
            f"disk: the local engine watches no quota; give the data directory a file system of its own, {_DOCKER}.",
            "network allow-list and full: the local engine gives a run no way out yet.",
            "images: only the machine's own system, as `host`.",
        ]
        if self.no_overlay:
            missing.append(
                f"filesystems: no workspace can be laid over one in {self.settings.root} ({self.no_overlay}); put the "
                f"data directory on ext4, xfs or btrfs (in a container: a volume), {_DOCKER}."
            )
        return Capabilities(limits=self.trees.limits, filesystems=not self.no_overlay, missing=tuple(missing))


async def open_engine(settings: LocalSettings) -> Engine:
    """Check the machine and lay out the engine's files. Raises Unavailable naming what is missing and the fix."""
    if platform.system() != "Linux":
        raise Unavailable(f"the local engine needs Linux namespaces: on {platform.system()} use the docker engine")
    for tool, package in (
        ("bwrap", "bubblewrap"),
        ("unshare", "util-linux"),
        ("setpriv", "util-linux"),
        ("mount", "mount"),
    ):
        if shutil.which(tool) is None:
            raise Unavailable(
                f"{tool} is missing: apt-get install {package} (or your system's like), {_DOCKER}", tool=tool
            )
    await _version()
    await _python(settings.python)
    settings.root.mkdir(parents=True, exist_ok=True)
    # Runs' directories are walked through by the run user, and listed by nobody.
    settings.root.chmod(0o711 if settings.user.demotes else 0o700)
    files = await asyncio.to_thread(_install, settings)
    await _reachable(settings, files)
    await _namespaces(settings)
    shim = (package_files("mooring.compute.drivers.local") / "shim.sh").read_text()
    no_overlay = await _overlay(settings)
    return Engine(settings=settings, host=_host(), trees=cgroups.find(), shim=shim, files=files, no_overlay=no_overlay)


async def output(*command: str) -> tuple[int, str]:
    """Run a command of ours to its end: its status and its first words on both outputs, at most 64 KiB."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.defpath + ":/usr/sbin:/sbin", "LC_ALL": "C"},
        cwd="/",
    )
    assert process.stdout is not None
    said = b""
    # Read to the end all the same: what a run left may make rm say more than fits into memory.
    while piece := await process.stdout.read(_WORDS):
        said += piece[: _WORDS - len(said)]
    return await process.wait(), said.decode(errors="replace").strip()


async def _version() -> None:
    _, said = await output("bwrap", "--version")
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        raise Unavailable(f"bubblewrap 0.8 or newer is needed and this is {said!r}: upgrade it, {_DOCKER}")


async def _python(python: Path) -> None:
    fix = f"the runner needs {python} {'.'.join(map(str, _OLDEST_PYTHON))} or newer: apt-get install python3, {_DOCKER}"
    if shutil.which(python) is None:
        raise Unavailable(fix)
    status, said = await output(str(python), "-I", "-S", "-c", "import sys; print(*sys.version_info[:2])")
    words = said.split()
    if status != 0 or len(words) != len(_OLDEST_PYTHON) or tuple(map(int, words)) < _OLDEST_PYTHON:
        raise Unavailable(fix)


async def _overlay(settings: LocalSettings) -> str:
    """Try it: what stands against laying an overlay there, as the run user; empty when nothing does."""
    trial = await asyncio.to_thread(tempfile.mkdtemp, prefix=".overlay-", dir=settings.root)
    try:
        for name in ("lower", "upper", "work", "merged"):
            path = Path(trial) / name
            path.mkdir()
            settings.user.own(path)
        settings.user.own(Path(trial))
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
        tried = f"cd {trial} && mount -n -i -t overlay -o {options} overlay merged && : > merged/trial"
        inside = ("unshare", "--user", "--map-root-user", "--mount", "--", "sh", "-c", tried)
        status, said = await output(*settings.user.prefix(), *inside)
        # overlayfs leaves a directory without rights behind, which is the run user's.
        await output(*settings.user.prefix(), "chmod", "-R", "u+rwX", trial)
        return "" if status == 0 else (said or f"status {status}").splitlines()[0]
    finally:
        await asyncio.to_thread(shutil.rmtree, trial)


def _install(settings: LocalSettings) -> Path:
    content = {name: text.encode() for name, text in MADE.items()}
    content["filter.bpf"] = seccomp.program(platform.machine())
    digest = hashlib.sha256()
    for name, data in sorted(content.items()):
        digest.update(f"{name} {len(data)}\n".encode() + data)
    final = settings.root / f".engine-{digest.hexdigest()[:16]}"
    if final.is_dir():
        return final
    draft = Path(tempfile.mkdtemp(prefix=".engine-draft-", dir=settings.root))
    draft.chmod(0o755)
    for name, data in content.items():
        path = draft / name
        path.write_bytes(data)
        path.chmod(0o644)
    try:
        draft.rename(final)
    except OSError:
        # Another process laid out the same files first.
        shutil.rmtree(draft)
        if not final.is_dir():
            raise
    return final


async def _reachable(settings: LocalSettings, files: Path) -> None:
    """The run user itself says what it cannot walk through or read."""
    if not mountable(settings.root):
        raise Unavailable(
            f"{settings.root}: a data directory with comma, colon, quote or space cannot be mounted: move it"
        )
    ways = {
        way for path in (settings.root, settings.link_dir, settings.runner, files) for way in path.absolute().parents
    }
    ways |= {settings.root, settings.link_dir, files}
    walk = 'for way; do [ -x "$way" ] || { echo "$way"; exit 1; }; done'
    status, closed = await output(*settings.user.prefix(), "sh", "-c", walk, "sh", *sorted(map(str, ways)))
    if status != 0:
        raise Unavailable(
            f"{closed} is closed to uid {settings.user.uid}, who runs the sandboxes: chmod o+x {closed}, "
            "or choose another data directory (--data /var/lib/mooring)",
            directory=closed,
        )
    status, _ = await output(*settings.user.prefix(), "test", "-r", str(settings.runner))
    if status != 0:
        raise Unavailable(f"{settings.runner} cannot be read by uid {settings.user.uid}, who runs the sandboxes")


async def _namespaces(settings: LocalSettings) -> None:
    status, said = await output(
        *settings.user.prefix(), "unshare", "--user", "--map-root-user", "--mount", "--", "true"
    )
    if status != 0:
        raise Unavailable(f"user namespaces are closed here ({said}): {_namespace_fix()}, {_DOCKER}")


def _namespace_fix() -> str:
    def says(path: str, value: str) -> bool:
        file = Path("/proc/sys") / path
        return file.exists() and file.read_text().strip() == value

    if says("kernel/unprivileged_userns_clone", "0"):
        return "sysctl -w kernel.unprivileged_userns_clone=1"
    if says("user/max_user_namespaces", "0"):
        return "sysctl -w user.max_user_namespaces=15000"
    if says("kernel/apparmor_restrict_unprivileged_userns", "1"):
        return "load the AppArmor profile in docs/engine-local.md (apparmor_parser -r)"
    return "inside a container, start it with user namespaces allowed"


def _host() -> Host:
    top = [(name, Path("/") / name) for name in TOP]
    return Host(
        bubblewrap=shutil.which("bwrap") or "bwrap",
        directories=tuple(name for name, path in top if path.is_dir() and not path.is_symlink()),
        links=tuple((name, str(path.readlink())) for name, path in top if path.is_symlink()),
        etc=tuple(name for name in ETC if (Path("/etc") / name).exists()),
        hidden_files=tuple(name for name in HIDDEN_FILES if (Path("/proc") / name).exists()),
        hidden_directories=tuple(name for name in HIDDEN_DIRECTORIES if (Path("/proc") / name).is_dir()),
    )
