"""The verbs of artifacts: what a session left, by name. The bytes lie in the object store under their checksum.

What is kept back is listed too, with the reason and without bytes.
"""

from collections.abc import Mapping

from mooring.access.actor import SYSTEM
from mooring.audit import ledger
from mooring.base.db import Tx
from mooring.base.errors import Clash, Missing, Unfit
from mooring.sessions.entities import Artifact
from mooring.sessions.kinds import ARTIFACT
from mooring.sessions.store import sessions as store

LONGEST_NAME = 200
LONGEST_REASON = 1000
# What the column holds: a runner says what it likes.
_LARGEST = (1 << 63) - 1


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
    values = {"size": size, "sha256": sha256, "blob_key": blob_key(sha256), "withheld": None}
    known = await find(tx, session_id, name)
    if known is None:
        return await ledger.insert(tx, SYSTEM, ARTIFACT, {"session_id": session_id, "name": check_name(name), **values})
    if known.withheld is not None:
        before = await ledger.read(tx, SYSTEM, ARTIFACT, known.id, lock=True)
        return await ledger.change(tx, SYSTEM, ARTIFACT, before, values, verb="keep")
    if known.sha256 != sha256:
        raise Clash(f"the artifact {name} is there already with other content", name=name)
    return known


async def hold_back(tx: Tx, session_id: str, data: Mapping[str, object]) -> None:
    """List what the runner says it keeps back, unless it is there already, or could not be listed under its name."""
    name, size, withheld = data.get("name"), data.get("size"), data.get("withheld")
    if not (isinstance(name, str) and isinstance(size, int) and isinstance(withheld, str) and withheld.isprintable()):
        return
    try:
        check_name(name)
    except Unfit:
        # It was not taken for its name; the transcript says so.
        return
    if await find(tx, session_id, name) is None:
        values = {"session_id": session_id, "name": name, "size": min(max(size, 0), _LARGEST)}
        kept_back = {"sha256": None, "blob_key": None, "withheld": withheld[:LONGEST_REASON]}
        await ledger.insert(tx, SYSTEM, ARTIFACT, {**values, **kept_back})


async def room(tx: Tx, session_id: str, name: str, *, most: int) -> int:
    """How many bytes a session may leave under this name, beside its others, of the `most` it may in all."""
    there = await store.artifacts(tx, session_id)
    others = [artifact.size for artifact in there if artifact.name != name and artifact.withheld is None]
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
