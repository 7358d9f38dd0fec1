"""Tried inside a sandbox: everything that must not work there. Written to descriptor 6 as {name: what happened}, empty
when it was refused. Standard library only; run as `python3 -I -S -c`, so no file of ours needs to be seen inside."""

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import sys

FOUND: dict[str, str] = {}


def refused(name: str, attempt: object) -> None:
    """Note what an attempt gave when it was not refused."""
    assert callable(attempt)
    try:
        result = attempt()
    except (OSError, ValueError, LookupError, StopIteration):
        FOUND[name] = ""
    else:
        FOUND[name] = f"it worked: {result!r}"[:200]


def write_sysctl() -> int:
    with open("/proc/sys/kernel/core_pattern", "w") as file:  # noqa: PTH123 - bare Python, nothing imported
        return file.write("|/bin/false")


def read(path: str) -> str:
    with open(path) as file:  # noqa: PTH123 - bare Python, nothing imported
        return file.read()


def connect(family: int, address: object) -> str:
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(2)
        attempt.connect(address)  # type: ignore[arg-type]
    return "connected"


def call(number: int, *arguments: int) -> int:
    """A system call by number; raises OSError when it fails."""
    result = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def inject_terminal_input() -> str:
    leader, follower = os.openpty()
    try:
        fcntl.ioctl(follower, 0x5412, b"x")
    finally:
        os.close(leader)
        os.close(follower)
    return "typed"


def capabilities() -> str:
    """Raises when there are none, like a refusal."""
    with open("/proc/self/status") as file:  # noqa: PTH123 - bare Python, nothing imported
        sets = {line.split()[0]: int(line.split()[1], 16) for line in file if line.startswith("Cap")}
    if not any(sets.values()):
        raise OSError
    return str(sets)


def other_processes() -> str:
    seen = [name for name in listed("/proc") if name.isdecimal()]
    if seen == ["1"] and os.getpid() == 1:
        raise OSError
    return str(seen)


def interfaces() -> str:
    names = [name for _, name in socket.if_nameindex()]
    if names == ["lo"]:
        raise OSError
    return str(names)


def listed(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return [entry.name for entry in entries]


def main(port: int, abstract: str, secret: str) -> None:
    arm = os.uname().machine == "aarch64"
    unshare, io_uring, keyctl, bpf = (97, 425, 219, 280) if arm else (272, 425, 250, 321)
    refused("read /etc/shadow", lambda: read("/etc/shadow"))
    refused("list /root", lambda: listed("/root"))
    refused("list /var", lambda: listed("/var"))
    refused("write a kernel setting", write_sysctl)
    refused("see other processes", other_processes)
    refused("see /home of the machine", lambda: next(name for name in listed("/home") if name != "agent"))
    refused("read a file of the engine", lambda: read(secret))
    refused("write to /usr", lambda: os.open("/usr/mooring-probe", os.O_CREAT | os.O_WRONLY))
    refused("write to /", lambda: os.open("/mooring-probe", os.O_CREAT | os.O_WRONLY))
    refused("see a network interface", interfaces)
    refused("reach the machine's loopback", lambda: connect(socket.AF_INET, ("127.0.0.1", port)))
    refused("reach an abstract socket", lambda: connect(socket.AF_UNIX, "\0" + abstract))
    refused("open a vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
    refused("open a packet socket", lambda: socket.socket(17, socket.SOCK_RAW))
    refused("open a kernel crypto socket", lambda: socket.socket(38, 5))
    refused("make a user namespace", lambda: call(unshare, 0x10000000))
    refused("set up io_uring", lambda: call(io_uring, 1, 0))
    refused("use the keyring", lambda: call(keyctl, 0, 0, 0))
    refused("load bpf", lambda: call(bpf, 0, 0, 0))
    refused("type into a terminal", inject_terminal_input)
    refused("hold capabilities", capabilities)
    with contextlib.suppress(OSError):
        fcntl.fcntl(7, fcntl.F_GETFD)
        FOUND["inherit a descriptor"] = "7 is open"
    os.write(6, json.dumps(FOUND).encode())


main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
