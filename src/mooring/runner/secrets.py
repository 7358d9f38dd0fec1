"""Secrets come once: taken, acknowledged, and given to nobody but the run's own children."""

from __future__ import annotations

import binascii
import json
import os

from .errors import Unready
from .files import write_all
from .link import insist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .link import Link


class Secrets:
    """`variables` for children, `values` by name for masking."""

    def __init__(self, variables: dict[str, str], values: dict[str, bytes]) -> None:
        self.variables = variables
        self.values = values


def deliver(link: Link) -> Secrets:
    """Fetch, write the files, acknowledge. Raises Unready, Answered (409: they were delivered before), Refused."""
    answer = json.loads(insist(lambda: link.ask("GET", "/link/v1/environment")))
    variables: dict[str, str] = {}
    values: dict[str, bytes] = {}
    for name, encoded in answer["variables"].items():
        values[name] = binascii.a2b_base64(encoded)
        if b"\0" in values[name]:
            raise Unready(f"secret {name} holds a NUL byte: expose it as a file, a variable cannot hold it")
        variables[name] = os.fsdecode(values[name])
    for path, encoded in answer["files"].items():
        values[os.path.basename(path)] = content = binascii.a2b_base64(encoded)
        _write(path, content)
    insist(lambda: link.ask("POST", "/link/v1/environment/received"))
    return Secrets(variables, values)


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    write_all(descriptor, content)
    os.close(descriptor)
