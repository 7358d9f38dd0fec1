"""The verbs of artifacts: what a session left, by name. The bytes lie in the object store under their checksum."""

from mooring.access.actor import SYSTEM
from mooring.audit import ledger
from mooring.base.db import Tx
from mooring.base.errors import Clash, Missing, Unfit
from mooring.sessions import transcript
from mooring.sessions.entities import Artifact
from mooring.sessions.kinds import ARTIFACT
from mooring.sessions.store import sessions as store

LONGEST_NAME = 200


def check_name(name: str) -> str:
    """A name an artifact may have: a relative path of printable characters. Raises Unfit."""
    parts = name.split("/")
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise Unfit(f"an artifact cannot be named {name[:80]!r}", field="name")
    return name


def blob_key(sha256: str) -> str:
    """Where bytes with this checksum lie."""
    return f"artifacts/{sha256}"


async def keep(tx: Tx, session_id: str, name: str, *, size: int, sha256: str) -> Artifact:
    """The artifact, recorded after its bytes are safe; again: as it is. Raises Clash (there with other bytes)."""
    known = await find(tx, session_id, name)
    if known is not None:
        if known.sha256 != sha256:
            raise Clash(f"the artifact {name} is there already with other content", name=name)
        return known
    values = {
        "session_id": session_id,
        "name": check_name(name),
        "size": size,
        "sha256": sha256,
        "blob_key": blob_key(sha256),
        "withheld": None,
    }
    made = await ledger.insert(tx, SYSTEM, ARTIFACT, values)
    tx.hint(transcript.topic(session_id))
    return made


async def room(tx: Tx, session_id: str, name: str, *, most: int) -> int:
    """How many bytes a session may leave under this name, beside its others, of the `most` it may in all."""
    others = [artifact.size for artifact in await store.artifacts(tx, session_id) if artifact.name != name]
    return max(0, most - sum(others))


async def of(tx: Tx, session_id: str) -> list[Artifact]:
    """The artifacts of a session the actor was found to see, by name."""
    return await store.artifacts(tx, session_id)


async def find(tx: Tx, session_id: str, name: str) -> Artifact | None:
    """One of them, or None."""
    return next((artifact for artifact in await store.artifacts(tx, session_id) if artifact.name == name), None)


async def read(tx: Tx, session_id: str, name: str) -> Artifact:
    """One of them. Raises Missing."""
    found = await find(tx, session_id, name)
    if found is None:
        raise Missing(f"the session has no artifact {name!r}", name=name)
    return found
