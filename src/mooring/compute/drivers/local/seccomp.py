"""The system-call filter of a run, as classic BPF for the kernel's seccomp: an allow-list, built without any library.

Format: `struct sock_filter {u16 code; u8 jt; u8 jf; u32 k}` over `struct seccomp_data {int nr; u32 arch; u64 ip;
u64 args[6]}` (linux/filter.h, linux/seccomp.h).
"""

import errno
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from mooring.base.errors import Unavailable
from mooring.compute.drivers.local.syscalls import ALLOWED

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_FROM, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_NUMBER, _ARCH = 0, 4
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000

# CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_NAMESPACES = 0x7E020000
# AF_UNIX, AF_INET, AF_INET6; AF_NETLINK is looked at further. Never AF_VSOCK, which no network namespace confines.
_FAMILIES = (1, 2, 10)
_NETLINK, _NETLINK_ROUTE = 16, 0
# TIOCSTI types into a terminal, TIOCLINUX pastes into one, TIOCSETD loads line disciplines.
_TERMINAL = (0x5412, 0x541C, 0x5423)
# PER_LINUX, PER_LINUX32, UNAME26, both, and "only ask".
_PERSONALITIES = (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What differs between machines: the audit architecture, the column of the table, the numbers looked at further."""

    arch: int
    column: int
    clone: int
    socket: int
    socketpair: int
    ioctl: int
    personality: int
    prlimit: int
    # Numbers from here on belong to another calling convention (x32) and are refused.
    foreign_from: int | None


MACHINES = {
    "x86_64": Machine(
        arch=0xC000003E,
        column=1,
        clone=56,
        socket=41,
        socketpair=53,
        ioctl=16,
        personality=135,
        prlimit=302,
        foreign_from=0x40000000,
    ),
    "aarch64": Machine(
        arch=0xC00000B7,
        column=2,
        clone=220,
        socket=198,
        socketpair=199,
        ioctl=29,
        personality=92,
        prlimit=261,
        foreign_from=None,
    ),
}


def program(machine: str) -> bytes:
    """The filter for `machine` (as uname says it). A call of another architecture kills the process."""
    if machine not in MACHINES:
        raise Unavailable(f"the local engine has no system-call filter for {machine}", machine=machine)
    return b"".join(struct.pack("=HBBI", *one) for one in _instructions(MACHINES[machine]))


def allowed(column: int) -> frozenset[int]:
    """The numbers that need no further look, for the table's column 1 (x86_64) or 2 (aarch64)."""
    rows = (entry.split() for entry in ALLOWED.replace("\n", " ").split(","))
    return frozenset(int(row[column]) for row in rows if row[column] != "-")


def _instructions(machine: Machine) -> list[Instruction]:
    code = [_load(_ARCH), (_JUMP_EQUAL, 1, 0, machine.arch), _answer(_KILL), _load(_NUMBER)]
    if machine.foreign_from is not None:
        code += [(_JUMP_FROM, 0, 1, machine.foreign_from), _refuse(errno.ENOSYS)]
    code += _when(machine.clone, [_load(_argument(0)), (_JUMP_ANY_BIT, 0, 1, _NAMESPACES), _refuse(errno.EPERM)])
    code += _when(machine.ioctl, [_load(_argument(1)), *_refuse_any(_TERMINAL, errno.ENOSYS)])
    code += _when(machine.personality, [_load(_argument(0)), *_refuse_others(_PERSONALITIES, errno.EPERM)])
    code += _when(machine.socketpair, [_load(_argument(0)), *_refuse_others((1,), errno.EAFNOSUPPORT)])
    code += _when(machine.socket, _socket())
    code += _when(machine.prlimit, _prlimit())
    for first, last in _ranges(allowed(machine.column)):
        # Ranges rise, so a number below this one's start lies in a gap.
        code += [(_JUMP_FROM, 1, 0, first), _refuse(errno.ENOSYS), (_JUMP_ABOVE, 1, 0, last), _answer(_ALLOW)]
    return [*code, _refuse(errno.ENOSYS)]


def _socket() -> list[Instruction]:
    netlink = [_load(_argument(2)), (_JUMP_EQUAL, 1, 0, _NETLINK_ROUTE), _refuse(errno.EAFNOSUPPORT), _answer(_ALLOW)]
    return [
        _load(_argument(0)),
        (_JUMP_EQUAL, 0, len(netlink), _NETLINK),
        *netlink,
        *_refuse_others(_FAMILIES, errno.EAFNOSUPPORT),
    ]


def _prlimit() -> list[Instruction]:
    """Its own limits a process may set, another's only read: the kernel lets it set those of every process of its user,
    and so take the files or the time away from the runner, whatever protects that from being traced."""
    new = _argument(2)
    return [
        _load(_argument(0)),
        (_JUMP_EQUAL, 5, 0, 0),
        _load(new),
        (_JUMP_EQUAL, 0, 2, 0),
        _load(new + 4),
        (_JUMP_EQUAL, 1, 0, 0),
        _refuse(errno.EPERM),
    ]


def _when(number: int, body: list[Instruction]) -> list[Instruction]:
    """Run `body` for this call, then allow it. Every body leaves by a return or falls out of its end."""
    whole = [*body, _answer(_ALLOW)]
    return [(_JUMP_EQUAL, 0, len(whole), number), *whole]


def _refuse_any(values: tuple[int, ...], code: int) -> list[Instruction]:
    out: list[Instruction] = []
    for value in values:
        out += [(_JUMP_EQUAL, 0, 1, value), _refuse(code)]
    return out


def _refuse_others(values: tuple[int, ...], code: int) -> list[Instruction]:
    out: list[Instruction] = []
    for value in values:
        out += [(_JUMP_EQUAL, 0, 1, value), _answer(_ALLOW)]
    return [*out, _refuse(code)]


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if out and number == out[-1][1] + 1:
            out[-1] = (out[-1][0], number)
        else:
            out.append((number, number))
    return out


def _argument(index: int) -> int:
    """Where the low half of an argument lies. The kernel reads these arguments as 32 bits, so the high half must not
    decide (CVE-2019-10063)."""
    return 16 + 8 * index


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _answer(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def _refuse(code: int) -> Instruction:
    return _answer(_ERRNO | code)
