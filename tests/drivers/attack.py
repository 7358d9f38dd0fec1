"""Run as a task inside a sandbox: everything by which an agent could act as the runner, which is process 1 there.
Prints {name: what happened} as JSON, empty where it was refused. Standard library only.

attack.py TOKENS [TOKEN]: TOKENS as JSON {name: token to try at the link}, TOKEN the runner's own; all backwards.
Without TOKEN the link alone is attacked.
"""

import ctypes
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable

FOUND: dict[str, str] = {}
LIBC = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine == "aarch64"
# The numbers of the calls named below, by machine.
CALLS = (272, 434, 438, 424, 261, 270, 271, 117, 138) if ARM else (312, 434, 438, 424, 302, 310, 311, 101, 129)
KCMP, PIDFD_OPEN, PIDFD_GETFD, PIDFD_SEND, PRLIMIT, VM_READ, VM_WRITE, PTRACE, SIGQUEUE = CALLS
ATTACH, SEIZE = 16, 0x4206
LINK = "/run/mooring/link.sock"


def refused(name: str, attempt: Callable[[], object]) -> None:
    """Note what an attempt gave when it was not refused."""
    try:
        result = attempt()
    except (OSError, ValueError):
        FOUND[name] = ""
    else:
        FOUND[name] = f"it worked: {result!r}"[:300]


def call(number: int, *arguments: object) -> int:
    result = LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(4096)


def write(path: str, text: bytes) -> int:
    descriptor = os.open(path, os.O_WRONLY)
    return os.write(descriptor, text)


def memory(number: int) -> int:
    """Take or change a page of the runner by process_vm_readv or process_vm_writev."""
    page = ctypes.create_string_buffer(64)
    ours = struct.pack("PN", ctypes.addressof(page), 64)
    theirs = struct.pack("PN", 0x400000, 64)
    return call(number, 1, ours, 1, theirs, 1, 0)


def signal_info(pid: int) -> ctypes.Array[ctypes.c_char]:
    """A siginfo that claims to be SIGTERM of a process outside: si_code SI_USER, sender `pid`."""
    return ctypes.create_string_buffer(struct.pack("iiiiII", signal.SIGTERM, 0, 0, 0, pid, 0), 128)


def forge_signals() -> None:
    """Every signal by every way; whether process 1 lives is seen by what comes after this."""
    for number in range(1, 65):
        LIBC.kill(1, number)
        LIBC.syscall(131 if ARM else 200, 1, number)
    call_or_not(SIGQUEUE, 1, signal.SIGTERM, signal_info(0))
    descriptor = call(PIDFD_OPEN, 1, 0)
    call_or_not(PIDFD_SEND, descriptor, signal.SIGTERM, signal_info(0), 0)
    call_or_not(PIDFD_SEND, descriptor, signal.SIGKILL, None, 0)


def call_or_not(number: int, *arguments: object) -> None:
    LIBC.syscall(number, *arguments)


def ask(method: str, path: str, head: str) -> int:
    """The status of a call to the link; 401 also where nobody listens to us."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(LINK)
        body = b'{"events":[]}' if method == "POST" else b""
        request = f"{method} /link/v1/{path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        try:
            link.sendall(request.encode() + body)
            answer = link.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            return 401
        return int(answer.split(b" ")[1]) if answer else 401


CALLS_OF_THE_LINK = (
    ("GET", "assignment"),
    ("GET", "environment"),
    ("POST", "environment/received"),
    ("GET", "inputs/0"),
    ("POST", "events"),
    ("GET", "commands?after=0"),
    ("PUT", "artifacts/forged"),
    ("POST", "exit"),
)


def forge_calls(tokens: dict[str, str]) -> None:
    """Every call of the link, with nothing and with each of these tokens. Only 401 is a refusal."""
    heads = {"no token": "", "another scheme": "Authorization: Basic cnVuOng=\r\n"}
    heads |= {name: f"Authorization: Bearer {token[::-1]}\r\n" for name, token in tokens.items()}
    for name, head in heads.items():
        statuses = {ask(method, path, head) for method, path in CALLS_OF_THE_LINK}
        FOUND[f"call the link with {name}"] = "" if statuses == {401} else f"it answered {sorted(statuses)}"


def find(token: str) -> list[str]:
    """Every file there is to read that holds the token."""
    held: list[str] = []
    for top in ("/proc", "/run", "/tmp", "/dev/shm", "/home", "/workspace", "/outputs", "/etc"):
        for place, _, names in os.walk(top):
            for name in names:
                path = f"{place}/{name}"
                if os.path.islink(path) or not os.path.isfile(path) or "kmsg" in name:
                    continue
                try:
                    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                    with os.fdopen(descriptor, "rb") as file:
                        if token.encode() in file.read(1 << 20):
                            held.append(path)
                except OSError:
                    continue
    return held


def be_the_runner(backwards: str) -> None:
    """The token comes backwards, so that finding it is a find."""
    # 3 is the listing's own.
    mine = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    FOUND["inherit a descriptor"] = "" if mine == [0, 1, 2, 3] else str(mine)
    for name in ("environ", "maps", "mem", "auxv", "pagemap", "stack", "syscall", "io", "task/1/environ", "task/1/mem"):
        refused(f"read /proc/1/{name}", lambda name=name: read(f"/proc/1/{name}"))
    for name in ("fd", "fdinfo", "map_files", "root", "cwd"):
        refused(f"list /proc/1/{name}", lambda name=name: os.listdir(f"/proc/1/{name}/"))
    for number in range(7):
        refused(f"open descriptor {number}", lambda number=number: read(f"/proc/1/fd/{number}"))
    refused("see its program", lambda: os.readlink("/proc/1/exe"))
    refused("see its namespaces", lambda: os.readlink("/proc/1/ns/mnt"))
    refused("write its memory", lambda: write("/proc/1/mem", b"x"))
    refused("send it to the memory killer", lambda: write("/proc/1/oom_score_adj", b"1000"))
    refused("rename it", lambda: write("/proc/1/comm", b"agent"))
    refused("attach to it", lambda: call(PTRACE, ATTACH, 1, 0, 0))
    refused("seize it", lambda: call(PTRACE, SEIZE, 1, 0, 0))
    refused("read its memory", lambda: memory(VM_READ))
    refused("change its memory", lambda: memory(VM_WRITE))
    refused("compare its descriptors", lambda: call(KCMP, 1, os.getpid(), 0, 4, 0))
    for number in range(3, 7):
        refused(f"take descriptor {number}", lambda n=number: call(PIDFD_GETFD, call(PIDFD_OPEN, 1, 0), n, 0))
    # RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_NOFILE
    for limit in (0, 1, 7):
        refused(f"set its limit {limit}", lambda n=limit: call(PRLIMIT, 1, n, struct.pack("QQ", 0, 0), None))
    holding = find(backwards[::-1])
    FOUND["find the token"] = ", ".join(holding)
    if os.fork() == 0:
        os.setsid()
        forge_signals()
        os._exit(0)
    os.wait()
    time.sleep(0.05)


if sys.argv[2:]:
    be_the_runner(sys.argv[2])
forge_calls(json.loads(sys.argv[1]))
json.dump(FOUND, sys.stdout)
