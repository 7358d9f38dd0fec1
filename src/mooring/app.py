"""What a running process holds. Types only: wiring fills it."""

from collections.abc import Mapping
from dataclasses import dataclass

from mooring.audit.seal import SealKey
from mooring.base.clock import Clock
from mooring.base.db import Database
from mooring.base.git import Mirrors
from mooring.compute.drivers.base import Driver
from mooring.files.blobs.base import BlobStore
from mooring.files.cache import Cache
from mooring.files.content import Contents
from mooring.files.depot import Depot
from mooring.files.seals import KeptSeals
from mooring.identity.oidc import SignOn
from mooring.secrets.live import Vaults
from mooring.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The parts of one process, opened by wiring and closed by it in reverse."""

    settings: Settings
    database: Database
    clock: Clock
    blobs: BlobStore
    # Signs what only this installation may make: the tokens of runs' links.
    link_key: bytes
    # Names this data directory: runs whose inputs lie here are made here.
    place: str
    # Empty in a process that only serves.
    drivers: Mapping[str, Driver]
    mirrors: Mirrors
    # Archives on their way in, and what lies inside those that are there.
    depot: Depot
    contents: Contents
    # Versions as directories on this machine.
    cache: Cache
    vaults: Vaults
    # None: people come with Mooring's own tokens alone.
    sign_on: SignOn | None
    # Signs the record; what it signed is also kept outside the database.
    seal_key: SealKey
    seals: KeptSeals
    # Signs where a page ended, for whichever process is asked for the next.
    cursor_key: bytes
