"""Secrets come once: taken, acknowledged, and given to nobody but the run's own children."""

from __future__ import annotations

import binascii
import json
import os

from .errors import Unready
from .files import write_all
from .link import Answered, insist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .link import Link


# Where secrets that are files lie; what a path is called when it is masked.
_DIRECTORY = "/run/"


class Secrets:
    """`variables` for children, `values` for masking, by what they are called: NAME, or secrets/PATH for a file."""

    def __init__(self, variables: dict[str, str], values: dict[str, bytes]) -> None:
        self.variables = variables
        self.values = values


def deliver(link: Link) -> Secrets:
    """Fetch, write the files, acknowledge. Raises Unready (also when they are withheld), Refused."""
    answer = json.loads(_asked(link))
    variables: dict[str, str] = {}
    values: dict[str, bytes] = {}
    for name, encoded in answer["variables"].items():
        values[name] = binascii.a2b_base64(encoded)
        if b"\0" in values[name]:
            raise Unready(f"secret {name} holds a NUL byte: expose it as a file, a variable cannot hold it")
        variables[name] = os.fsdecode(values[name])
    for path, encoded in answer["files"].items():
        name = path.removeprefix(_DIRECTORY)
        values[name] = content = binascii.a2b_base64(encoded)
        _write(path, content)
    insist(lambda: link.ask("POST", "/link/v1/environment/received"))
    return Secrets(variables, values)


def _asked(link: Link) -> bytes:
    """The answer, waited for as long as it takes. A refusal is told in the control plane's own words."""
    try:
        return insist(lambda: link.ask("GET", "/link/v1/environment"))
    except Answered as refused:
        raise Unready(refused.reason) from None


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    write_all(descriptor, content)
    os.close(descriptor)
