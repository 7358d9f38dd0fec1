"""From a spec to the words that start its sandbox. Pure: everything seen of the host comes in as `Host`."""

import re
from dataclasses import dataclass
from pathlib import Path

from mooring.base.errors import Unfit
from mooring.compute.drivers.base import Capabilities, Limits, RunSpec
from mooring.compute.drivers.local.place import Place
from mooring.compute.drivers.local.settings import LocalSettings

# Taken from the host where it has them; never /, /home, /root, /var or /run.
TOP = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt")
# Needed to find libraries, trust certificates, resolve alternatives, know the time zone and start a Java.
ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ssl",
    "ca-certificates",
    "ca-certificates.conf",
    "pki",
    "crypto-policies",
    "alternatives",
    "localtime",
    "timezone",
    "mime.types",
    "magic",
    "terminfo",
    "os-release",
    "debian_version",
    "services",
    "protocols",
    "fonts",
    "java-17-openjdk",
    "java-21-openjdk",
    "perl",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
)
# Our own, so that nothing of the host's people, names or resolvers is seen.
MADE = {
    "passwd": "root:x:0:0:root:/:/usr/sbin/nologin\nagent:x:1000:1000:agent:/home/agent:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "group": "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost mooring\n::1 localhost\n",
    "resolv.conf": "# This run has no network.\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
}
# Files of /proc that tell about the whole machine, or act on it.
HIDDEN_FILES = (
    "kcore",
    "keys",
    "key-users",
    "timer_list",
    "sysrq-trigger",
    "kmsg",
    "kallsyms",
    "latency_stats",
    "sched_debug",
)
HIDDEN_DIRECTORIES = ("acpi", "scsi", "asound", "driver", "bus", "fs")

HOME = "/home/agent"
INSIDE = "/run/mooring"
# Tells the control plane that the sandbox stands (descriptor 7), closes that, and becomes the program.
_READY = 'printf r >&7; exec 7>&-; exec "$@"'
# Already root of a user and a mount namespace of its own: lays the workspace over its lower directory, then goes on. As
# text, for the reason the shim is.
_ENTER = 'o=$1 t=$2; shift 2; if [ -n "$o" ]; then mount -n -i -t overlay -o "$o" overlay "$t" || exit 1; fi; exec "$@"'
# mount(8) and overlayfs give these a meaning of their own.
_MOUNTABLE = re.compile(r"/[^,:\\\"'\s]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What this machine has of the things above."""

    bubblewrap: str
    directories: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    etc: tuple[str, ...]
    hidden_files: tuple[str, ...]
    hidden_directories: tuple[str, ...]


def fits(spec: RunSpec, able: Capabilities) -> None:
    """Raises Unfit when the spec asks for more than is enforced here: nothing runs weaker than asked."""
    if spec.image not in able.images:
        raise Unfit(
            f"image {spec.image!r} is not here: the local engine has {', '.join(sorted(able.images))}; "
            "import a root file system, or use the docker engine",
            field="image",
        )
    if spec.network not in able.networks:
        offered = ", ".join(sorted(able.networks))
        raise Unfit(
            f"network {spec.network.value!r} is not enforced by the local engine on this machine: ask for {offered}",
            field="network",
        )
    for name in ("cpus", "memory", "pids", "disk"):
        if getattr(spec.limits, name) is not None and name not in able.limits:
            why = next((line for line in able.missing if line.startswith(name)), "")
            raise Unfit(f"a {name} limit cannot be enforced here. {why}".strip(), field=name)
    if spec.lower is not None and not able.filesystems:
        why = next((line for line in able.missing if line.startswith("filesystems")), "")
        raise Unfit(f"a filesystem cannot be given to a run here. {why}".strip(), field="lower")
    for path in (*spec.inputs, *([spec.lower] if spec.lower else [])):
        if not mountable(path):
            raise Unfit(f"{path} holds a character that mounts give a meaning of its own (comma, colon, quote, space)")


def mountable(path: Path) -> bool:
    return _MOUNTABLE.fullmatch(str(path)) is not None


def effective(asked: Limits, default: Limits, able: Capabilities) -> Limits:
    """What is set: what was asked, else the default as far as it is enforced here."""

    def one(name: str) -> float | None:
        value: float | None = getattr(asked, name)
        return value if value is not None else getattr(default, name) if name in able.limits else None

    cpus, memory, pids = one("cpus"), one("memory"), one("pids")
    return Limits(
        cpus=cpus, memory=None if memory is None else int(memory), pids=None if pids is None else int(pids), disk=None
    )


def command(host: Host, settings: LocalSettings, files: Path, place: Place, spec: RunSpec) -> tuple[str, ...]:
    """The whole chain below the shim: a user and a mount namespace, the overlay, bubblewrap, the program."""
    overlay = overlay_options(place, spec.lower) if spec.lower else ""
    return (
        *("unshare", "--user", "--map-root-user", "--mount", "--"),
        *("sh", "-c", _ENTER, "enter", overlay, str(place.path / "merged")),
        *bubblewrap(host, settings, files, place, spec),
        *("--", "/bin/sh", "-c", _READY, "sh"),
        *(settings.program or (str(settings.python), "-I", "-S", f"{INSIDE}/runner.pyz")),
    )


def overlay_options(place: Place, lower: Path) -> str:
    return f"lowerdir={lower},upperdir={place.workspace},workdir={place.path / 'work'},userxattr"


def bubblewrap(host: Host, settings: LocalSettings, files: Path, place: Place, spec: RunSpec) -> tuple[str, ...]:
    workspace = place.path / "merged" if spec.lower else place.workspace
    return (
        host.bubblewrap,
        *("--unshare-user", "--unshare-all", "--as-pid-1", "--disable-userns", "--cap-drop", "ALL"),
        *("--uid", "1000", "--gid", "1000", "--hostname", "mooring"),
        *("--clearenv", "--new-session", "--die-with-parent"),
        *("--json-status-fd", "8", "--seccomp", "9"),
        *_system(host, files),
        *_kernel(host, settings),
        *_scratch(settings),
        *("--perms", "0755", "--tmpfs", INSIDE),
        *("--ro-bind", str(settings.link_dir), f"{INSIDE}/link"),
        *("--symlink", "link/link.sock", f"{INSIDE}/link.sock"),
        *("--ro-bind", str(settings.runner), f"{INSIDE}/runner.pyz"),
        *(
            word
            for number, path in enumerate(spec.inputs)
            for word in ("--ro-bind", str(path), f"{INSIDE}/inputs/{number}")
        ),
        *("--remount-ro", INSIDE),
        *("--bind", str(workspace), "/workspace"),
        *("--bind", str(place.home), HOME),
        *("--bind", str(place.outputs), "/outputs"),
        *("--remount-ro", "/"),
        *("--chdir", "/workspace"),
        *_environment(),
    )


def _system(host: Host, files: Path) -> tuple[str, ...]:
    words: list[str] = []
    for name in host.directories:
        words += ["--ro-bind", f"/{name}", f"/{name}"]
    for name, target in host.links:
        words += ["--symlink", target, f"/{name}"]
    for name in host.etc:
        words += ["--ro-bind", f"/etc/{name}", f"/etc/{name}"]
    for name in MADE:
        words += ["--ro-bind", str(files / name), f"/etc/{name}"]
    return tuple(words)


def _kernel(host: Host, settings: LocalSettings) -> tuple[str, ...]:
    words = ["--proc", "/proc"]
    for name in host.hidden_files:
        words += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    for name in host.hidden_directories:
        words += ["--size", "4096", "--perms", "0555", "--tmpfs", f"/proc/{name}", "--remount-ro", f"/proc/{name}"]
    words += ["--dev", "/dev"]
    words += ["--size", str(settings.shared_memory_bytes), "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108 - inside the sandbox
    return (*words, "--remount-ro", "/dev")


def _scratch(settings: LocalSettings) -> tuple[str, ...]:
    size = str(settings.tmp_bytes)
    return (
        *("--size", size, "--perms", "1777", "--tmpfs", "/tmp"),  # noqa: S108 - inside the sandbox
        *("--size", str(16 << 20), "--perms", "0755", "--tmpfs", "/run"),
    )


def _environment() -> tuple[str, ...]:
    """What every program expects to find; the rest comes over the link and never stands in an argument."""
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": HOME,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",  # noqa: S108 - inside the sandbox
    }
    return tuple(word for name, value in variables.items() for word in ("--setenv", name, value))
