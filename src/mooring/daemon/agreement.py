"""What all processes of one installation must have in common. A process that does not have it does not begin.

One that signed the record with a key of its own, or kept archives where the others do not look, would do harm that is
found only later: so each database remembers which key and which store are its own, from the first process on.
"""

import secrets
import tempfile

import structlog

from mooring.app import App
from mooring.base.errors import Unavailable, Unfit
from mooring.base.shared_key import known_key, shared_key
from mooring.files.blobs.base import BlobStore

log = structlog.stdlib.get_logger("mooring")

_SEE = "see docs/many-processes.md"


async def check_agreement(app: App) -> None:
    """Return when this process signs and stores as the others on its database do. Raises Unfit, saying what to set."""
    sealed_with = await shared_key(app.database, "record", first=app.seal_key.public)
    if sealed_with != app.seal_key.public:
        raise Unfit(
            f"the record is sealed with the key {sealed_with.hex()[:16]}, and the one here is "
            f"{app.seal_key.public.hex()[:16]}: give every process the same MOORING_AUDIT_KEY_FILE; {_SEE}"
        )
    try:
        await _same_store(app)
    except Unavailable as error:
        # A store that is away for a while keeps nobody from what needs no archive.
        log.warning("cannot tell whether this is the store of the others", reason=error.reason)


async def _same_store(app: App) -> None:
    """Return when archives and artifacts are kept where the others keep them: there is the sign that the first left."""
    sign = await known_key(app.database, "store")
    if sign is None:
        # Left before it is written down: a sign that nobody knows is in nobody's way.
        mine = secrets.token_bytes(32)
        await _leave(app.blobs, mine)
        sign = await shared_key(app.database, "store", first=mine)
    if await app.blobs.head(_key(sign)) is None:
        raise Unfit(
            "the archives and artifacts of this database are kept elsewhere: give every process the same "
            f"MOORING_S3_BUCKET, or the same data directory (were they moved, then without {_key(sign)}); {_SEE}"
        )


async def _leave(blobs: BlobStore, sign: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"the store of one installation of Mooring\n")
        await blobs.put_file(_key(sign), file)


def _key(sign: bytes) -> str:
    return f"installation/{sign.hex()}"
