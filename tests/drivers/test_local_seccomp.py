"""The system-call filter: what it answers, by a small machine that runs it, and what a sandbox is really refused."""

import errno
import json
import struct
from typing import Any

import pytest

from mooring.base.errors import Unavailable
from mooring.compute.drivers.local.seccomp import MACHINES, allowed, program

ALLOW, KILL = 0x7FFF0000, 0x80000000
NAMES = list(MACHINES)


def answer(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter says to a call. Source of the machine: the kernel's networking/filter."""
    code = list(struct.iter_unpack("=HBBI", program(machine)))
    filled = [*arguments, *([0] * (6 - len(arguments)))]
    data = struct.pack("=iIQ6Q", number, MACHINES[machine].arch if arch is None else arch, 0, *filled)
    at = register = 0
    while True:
        operation, if_true, if_false, value = code[at]
        at += 1
        if operation == 0x20:
            [register] = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            return value
        else:
            holds = {0x15: register == value, 0x25: register > value, 0x35: register >= value, 0x45: register & value}
            at += if_true if holds[operation] else if_false


def refusal(code: int) -> int:
    return 0x00050000 | code


@pytest.mark.parametrize("machine", NAMES)
def test_what_is_listed_is_allowed_and_nothing_else(machine: str) -> None:
    one = MACHINES[machine]
    listed = allowed(one.column)
    looked_at = {one.clone, one.socket, one.socketpair, one.ioctl, one.personality, one.prlimit}
    for number in range(600):
        said = answer(machine, number)
        if number in listed:
            assert said == ALLOW, number
        elif number not in looked_at:
            assert said == refusal(errno.ENOSYS), number


@pytest.mark.parametrize("machine", NAMES)
def test_another_architecture_is_killed(machine: str) -> None:
    assert answer(machine, 1, arch=0x40000003) == KILL


def test_the_x32_calls_are_refused() -> None:
    assert answer("x86_64", 0x40000000 | 1) == refusal(errno.ENOSYS)


@pytest.mark.parametrize("machine", NAMES)
@pytest.mark.parametrize("high", [0, 1 << 32, 0xFFFFFFFF << 32])
def test_the_upper_half_of_an_argument_decides_nothing(machine: str, high: int) -> None:
    one = MACHINES[machine]
    assert answer(machine, one.clone, high | 0x10000000 | 17) == refusal(errno.EPERM)
    assert answer(machine, one.clone, high | 0x00010F00) == ALLOW
    for typing in (0x5412, 0x541C, 0x5423):
        assert answer(machine, one.ioctl, 0, high | typing) == refusal(errno.ENOSYS)
    assert answer(machine, one.ioctl, 0, high | 0x5401) == ALLOW
    for family in (1, 2, 10):
        assert answer(machine, one.socket, high | family, 1) == ALLOW
    for family in (0, 17, 38, 40, 44):
        assert answer(machine, one.socket, high | family, 1) == refusal(errno.EAFNOSUPPORT)
    assert answer(machine, one.socket, high | 16, 3, 0) == ALLOW
    assert answer(machine, one.socket, high | 16, 3, high | 9) == refusal(errno.EAFNOSUPPORT)
    assert answer(machine, one.socketpair, high | 1) == ALLOW
    assert answer(machine, one.socketpair, high | 2) == refusal(errno.EAFNOSUPPORT)
    assert answer(machine, one.personality, high | 0x0040000) == refusal(errno.EPERM)
    assert answer(machine, one.personality, high | 0xFFFFFFFF) == ALLOW


@pytest.mark.parametrize("machine", NAMES)
def test_only_its_own_limits_are_a_process_to_set(machine: str) -> None:
    number = MACHINES[machine].prlimit
    assert answer(machine, number, 0, 7, 1 << 40) == ALLOW
    assert answer(machine, number, 1, 7, 0) == ALLOW
    assert answer(machine, number, 1, 7, 1 << 40) == refusal(errno.EPERM)
    assert answer(machine, number, 1, 7, 0x1000) == refusal(errno.EPERM)


def test_a_machine_without_a_filter_is_refused() -> None:
    with pytest.raises(Unavailable, match="riscv64"):
        program("riscv64")


# Name, number on x86_64 and aarch64, arguments, what it says.
CALLS: list[tuple[str, int, int, list[int], int]] = [
    ("io_uring_setup", 425, 425, [1, 0], errno.ENOSYS),
    ("io_uring_register", 427, 427, [0, 0, 0, 0], errno.ENOSYS),
    ("userfaultfd", 323, 282, [0], errno.ENOSYS),
    ("add_key", 248, 217, [0, 0, 0, 0, 0], errno.ENOSYS),
    ("request_key", 249, 218, [0, 0, 0, 0], errno.ENOSYS),
    ("keyctl", 250, 219, [0, 0, 0], errno.ENOSYS),
    ("bpf", 321, 280, [0, 0, 0], errno.ENOSYS),
    ("perf_event_open", 298, 241, [0, 0, 0, 0, 0], errno.ENOSYS),
    ("unshare", 272, 97, [0x10000000], errno.ENOSYS),
    ("setns", 308, 268, [0, 0], errno.ENOSYS),
    ("mount", 165, 40, [0, 0, 0, 0, 0], errno.ENOSYS),
    ("fsopen", 430, 430, [0, 0], errno.ENOSYS),
    ("open_tree", 428, 428, [0, 0, 0], errno.ENOSYS),
    ("move_mount", 429, 429, [0, 0, 0, 0, 0], errno.ENOSYS),
    ("pivot_root", 155, 41, [0, 0], errno.ENOSYS),
    ("clone3", 435, 435, [0, 0], errno.ENOSYS),
    ("clone into a user namespace", 56, 220, [0x10000000 | 17, 0, 0, 0, 0], errno.EPERM),
    ("kexec_load", 246, 104, [0, 0, 0, 0], errno.ENOSYS),
    ("init_module", 175, 105, [0, 0, 0], errno.ENOSYS),
    ("open_by_handle_at", 304, 265, [0, 0, 0], errno.ENOSYS),
    ("pidfd_getfd", 438, 438, [0, 0, 0], errno.ENOSYS),
    ("kcmp", 312, 272, [1, 1, 0, 0, 0], errno.ENOSYS),
    ("fanotify_init", 300, 262, [0, 0], errno.ENOSYS),
    ("syslog", 103, 116, [3, 0, 0], errno.ENOSYS),
    ("clock_settime", 227, 112, [0, 0], errno.ENOSYS),
    ("settimeofday", 164, 170, [0, 0], errno.ENOSYS),
    ("swapon", 167, 224, [0, 0], errno.ENOSYS),
    ("reboot", 169, 142, [0, 0, 0, 0], errno.ENOSYS),
    ("quotactl", 179, 60, [0, 0, 0, 0], errno.ENOSYS),
    ("personality", 135, 92, [0x0040000], errno.EPERM),
    ("an unknown one", 9999, 9999, [], errno.ENOSYS),
]
SOCKETS = {"AF_VSOCK": (40, 1, 0), "AF_ALG": (38, 5, 0), "AF_PACKET": (17, 3, 0), "AF_NETLINK audit": (16, 3, 9)}

INSIDE = """
import ctypes, fcntl, json
calls, sockets = json.loads(sys.argv[1])
libc, arm, said = ctypes.CDLL(None, use_errno=True), os.uname().machine == "aarch64", {}
for name, intel, other, arguments, _ in calls:
    done = libc.syscall(other if arm else intel, *(ctypes.c_ulong(one) for one in arguments))
    said[name] = ctypes.get_errno() if done < 0 else "it worked"
for name, what in sockets.items():
    try:
        socket.socket(*what).close()
        said[name] = "it worked"
    except OSError as error:
        said[name] = error.errno
leader, follower = os.openpty()
for name, request in (("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541C), ("TIOCSETD", 0x5423), ("TIOCSTI high", 0x100005412)):
    done = libc.ioctl(follower, ctypes.c_ulong(request), b"x")
    said[name] = ctypes.get_errno() if done < 0 else "it worked"
print(json.dumps(said))
"""


@pytest.mark.slow
async def test_a_sandbox_is_refused_what_reaches_into_the_kernel(desk: Any) -> None:
    driver = desk.driver(
        "/usr/bin/python3", "-I", "-S", "-c", f"import os, socket, sys{INSIDE}", json.dumps([CALLS, SOCKETS])
    )
    said: dict[str, object] = json.loads(await desk.said(driver, desk.spec()))
    wanted: dict[str, object] = {name: code for name, _, _, _, code in CALLS}
    wanted |= dict.fromkeys(SOCKETS, errno.EAFNOSUPPORT)
    wanted |= dict.fromkeys(("TIOCSTI", "TIOCLINUX", "TIOCSETD", "TIOCSTI high"), errno.ENOSYS)
    assert said == wanted


ORDINARY = """
import asyncio, concurrent.futures, multiprocessing, resource, socket, sqlite3, ssl, subprocess, tempfile
with concurrent.futures.ThreadPoolExecutor() as pool:
    assert sum(pool.map(int, range(10))) == 45
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
async def echo():
    async def answer(reader, writer):
        writer.write(await reader.readline()); writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello\\n")
    assert await reader.readline() == b"hello\\n"
    writer.close(); server.close()
asyncio.run(echo())
with tempfile.TemporaryDirectory() as place:
    base = sqlite3.connect(place + "/db"); base.execute("create table t (x)"); base.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 1000))
assert resource.prlimit(0, resource.RLIMIT_NOFILE) == (100, 1000)
assert ssl.create_default_context().get_ca_certs() is not None
assert socket.if_nameindex()
assert subprocess.run(["sh", "-c", "ls | cat; sleep 0.01; getent passwd agent"], check=True, capture_output=True).stdout
print("fine")
"""


@pytest.mark.slow
async def test_ordinary_programs_find_all_they_need(desk: Any) -> None:
    assert await desk.said(desk.driver("/usr/bin/python3", "-I", "-c", ORDINARY), desk.spec()) == "fine\n"
