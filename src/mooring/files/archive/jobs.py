"""What the worker process does, and what it says. One job a process."""

import msgspec

from mooring.files.archive.limits import Limits
from mooring.files.archive.pack import Packed


class _Job(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", forbid_unknown_fields=True):
    pass


class Take(_Job, tag="take", frozen=True, kw_only=True):
    """Make an archive of ours from the one at `source`. All are open files; `spool` is for scratch."""

    source: int
    spool: int
    archive: int
    manifest: int
    blocks: int
    limits: Limits


class Unpack(_Job, tag="unpack", frozen=True, kw_only=True):
    """Write the archive of ours at `source` below the open directory `root`."""

    source: int
    root: int
    limits: Limits


class Check(_Job, tag="check", frozen=True, kw_only=True):
    """Compare what is below the open directory `root` with a manifest."""

    root: int
    manifest: int


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A value that no changed file may hold, and what it is called."""

    name: str
    value: bytes

    def __repr__(self) -> str:
        return f"Secret(name={self.name!r})"


class Capture(_Job, tag="capture", frozen=True, kw_only=True):
    """Make an archive of ours of what lies in `upper` over `lower`, whose manifest is `base`. All are open.

    `left_out` are names in the root that belong to nobody's version; `secrets` withhold the whole.
    """

    lower: int
    upper: int
    base: int
    archive: int
    manifest: int
    blocks: int
    left_out: list[str]
    secrets: list[Secret]
    limits: Limits


Job = Take | Unpack | Check | Capture


class Confines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the process may be and use. Units: bytes of memory, seconds of processor time, bytes of a file.

    It ends with the process `parent`. `uid` None: it stays who it is. `empty`: a directory to be its root, so that
    nothing is in reach by a path.
    """

    parent: int
    uid: int | None
    gid: int | None
    empty: str | None
    memory: int
    seconds: int
    file: int


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the process reads first."""

    job: Job
    confines: Confines


class Progressed(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="progress"):
    """So many bytes so far."""

    done: int


class Taken(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="taken"):
    """The archive was made. `form` is what the given one was; `warned` counts names other systems cannot have."""

    form: str
    packed: Packed
    warned: int
    warnings: list[str]


class Unpacked(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="unpacked"):
    """All is written. The SHA-256 of the manifest of it."""

    manifest_sha256: str


class Checked(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="checked"):
    """What is not as it should be, or None."""

    difference: str | None


class NotTaken(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="refused"):
    """The archive is refused."""

    rule: str
    entry: str | None
    reason: str


class Broke(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="broke"):
    """It could not be done here, now; `errno` as the system said."""

    reason: str
    errno: int | None


Said = Progressed | Taken | Unpacked | Checked | NotTaken | Broke
