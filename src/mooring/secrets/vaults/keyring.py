"""The keys that wrap the embedded vault's data keys: one active, the others kept for what they wrapped before."""

import base64
import binascii
import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from mooring.base.cipher import KEY_BYTES, new_key
from mooring.base.errors import Clash, Unavailable
from mooring.base.hidden import Hidden
from mooring.secrets.errors import VaultBroken

_OTHERS = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Keys by their id. The id is made from the key, so that a wrong key never answers to the name of the right one."""

    active: str
    keys: Mapping[str, Hidden]

    def key(self, identifier: str) -> Hidden:
        """The key of this id. Raises VaultBroken, saying what to restore."""
        found = self.keys.get(identifier)
        if found is None:
            raise VaultBroken(
                f"the local vault's key {identifier} is not here (there are: {', '.join(sorted(self.keys))}); "
                "restore the keyring from its backup",
                key=identifier,
            )
        return found


class Keys(Protocol):
    """Where the keyring comes from."""

    def load(self) -> Keyring | None:
        """The keyring; None where there is none yet. Raises Unavailable when it must not be used as it is."""
        ...

    def make(self) -> Keyring:
        """The first keyring, once: who comes second gets the first one's."""
        ...

    def add(self) -> Keyring:
        """The keyring with a fresh active key. Raises Clash where keys are not ours to make."""
        ...


class _Kept(msgspec.Struct, kw_only=True):
    """The key file: JSON, keys in base64."""

    active: str
    keys: dict[str, str]


def key_id(key: Hidden) -> str:
    """16 hex digits that name a key and tell nothing of it."""
    return hashlib.sha256(b"mooring vault key id v1|" + key.reveal()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKeys:
    """A keyring in a file of our own, 0600, outside the database and its backups."""

    path: Path

    def load(self) -> Keyring | None:
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot read the key file {self.path}: {error.strerror}") from None
        with os.fdopen(handle, "rb") as file:
            self._check(os.fstat(handle))
            return self._decoded(file.read())

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise Unavailable(f"the key file {self.path} is not a regular file; move it away and restore the keyring")
        if found.st_uid != os.geteuid():
            says = f"the key file {self.path} belongs to user {found.st_uid}, not to {os.geteuid()}, who runs Mooring"
            raise Unavailable(f"{says}; fix it with: chown {os.geteuid()} {self.path}")
        if found.st_mode & _OTHERS:
            says = f"the key file {self.path} has mode {stat.S_IMODE(found.st_mode):04o}, open to others"
            raise Unavailable(f"{says}; fix it with: chmod 600 {self.path} (and rotate: others may have read it)")

    def _decoded(self, text: bytes) -> Keyring:
        try:
            kept = msgspec.json.decode(text, type=_Kept)
            keys = [Hidden(base64.b64decode(key, validate=True)) for key in kept.keys.values()]
        except (msgspec.DecodeError, binascii.Error):
            raise Unavailable(f"the key file {self.path} is damaged; restore it from its backup") from None
        ring = {key_id(key): key for key in keys if key.size == KEY_BYTES}
        if ring.keys() != kept.keys.keys() or kept.active not in ring:
            raise Unavailable(f"the key file {self.path} holds keys under wrong names; restore it from its backup")
        return Keyring(active=kept.active, keys=ring)

    def make(self) -> Keyring:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = new_key()
        ring = Keyring(active=key_id(key), keys={key_id(key): key})
        fresh = self._write(ring)
        try:
            # A link is made or not made, and never over another: of two who start at once, one's key counts.
            with contextlib.suppress(FileExistsError):
                os.link(fresh, self.path)
        finally:
            fresh.unlink()
        self._sync_directory()
        made = self.load()
        if made is None:
            raise Unavailable(f"the key file {self.path} vanished while it was made")
        return made

    def add(self) -> Keyring:
        # One at a time, among all processes: a keyring written over another's would lose a key that wraps values.
        with self._alone():
            ring = self.load()
            if ring is None:
                raise Unavailable(f"there is no key file {self.path}; restore it from its backup")
            key = new_key()
            grown = Keyring(active=key_id(key), keys={**ring.keys, key_id(key): key})
            self._write(grown).replace(self.path)
            self._sync_directory()
        return grown

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        handle = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _write(self, ring: Keyring) -> Path:
        """A file of this keyring beside ours, on disk for good."""
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        kept = _Kept(
            active=ring.active,
            keys={name: base64.b64encode(key.reveal()).decode() for name, key in ring.keys.items()},
        )
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(handle)
        return fresh

    def _sync_directory(self) -> None:
        handle = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenKeys:
    """A keyring from the environment or a systemd credential: base64 keys, the active one first."""

    text: Hidden

    def load(self) -> Keyring:
        try:
            keys = [
                Hidden(base64.b64decode(word, validate=True)) for word in self.text.text().replace(",", " ").split()
            ]
        except (binascii.Error, ValueError):
            raise Unavailable("MOORING_VAULT_KEY is not base64; make a key with: openssl rand -base64 32") from None
        if not keys or any(key.size != KEY_BYTES for key in keys):
            raise Unavailable("MOORING_VAULT_KEY needs keys of 32 bytes; make one with: openssl rand -base64 32")
        return Keyring(active=key_id(keys[0]), keys={key_id(key): key for key in keys})

    def make(self) -> Keyring:
        return self.load()

    def add(self) -> Keyring:
        raise Clash(
            "the local vault's keys are given by MOORING_VAULT_KEY: put the new key before the old one there, restart, "
            "then `moor vault rotate --given`"
        )
