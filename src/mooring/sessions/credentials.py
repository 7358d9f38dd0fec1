"""Who a session asks for repositories as: its group's credential for the host. It never enters the instance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mooring.access.actor import SYSTEM
from mooring.audit import ledger
from mooring.base.db import Database, Tx
from mooring.base.errors import Unfit
from mooring.base.git import GitCredential
from mooring.base.hidden import Hidden
from mooring.compute import deliveries
from mooring.compute.entities import Exposed
from mooring.secrets.entities import Secret
from mooring.secrets.kinds import SECRET
from mooring.secrets.live import Vaults
from mooring.sessions.plan import AskedInstance
from mooring.sessions.store import sessions as store

# What a token alone is sent with; servers that take tokens take any name.
_ANY_USER = "git"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of one session, while it is prepared. Each is read once, when its grant stands, and that is an event."""

    database: Database
    vaults: Vaults
    session_id: str
    instance: AskedInstance
    _read: dict[str, GitCredential] = field(default_factory=dict[str, GitCredential])

    async def of(self, url: str) -> GitCredential | None:
        """The credential for a repository; None where the group has none for its host.

        Raises Withheld (the grant was revoked, or who started the session may not have it any more), Unfit (its form),
        NoSuchValue, VaultAway, VaultRefuses, VaultBroken.
        """
        secret_id = _for_host(url, self.instance)
        if secret_id is None:
            return None
        if secret_id not in self._read:
            self._read[secret_id] = await self._open(secret_id)
        return self._read[secret_id]

    async def _open(self, secret_id: str) -> GitCredential:
        wanted = [Exposed(secret_id=secret_id)]
        async with self.database.transaction() as tx:
            await self._check(tx, wanted)
            secret = (await deliveries.secrets_of(tx, wanted))[secret_id]
        opened = await self.vaults.open(secret)
        async with self.database.transaction() as tx:
            await self._check(tx, wanted)
            details = {
                "session_id": self.session_id,
                "group_id": self.instance.group_id,
                "secret_version": opened.secret.secret_version,
                "vault": opened.secret.vault,
                "vault_version": opened.secret.vault_version,
            }
            await ledger.record(tx, SYSTEM, SECRET, secret_id, "fetch", details)
        username, password = _parts(secret, opened.value)
        return GitCredential(identity=f"{self.instance.group_id} {secret_id}", username=username, password=password)

    async def _check(self, tx: Tx, wanted: Sequence[Exposed]) -> None:
        starter = await store.started_by(tx, self.session_id)
        await deliveries.check_for(tx, starter, self.instance.id, wanted)


def _for_host(url: str, instance: AskedInstance) -> str | None:
    parts = urlsplit(url)
    host = parts.hostname
    if host is None or parts.scheme not in ("https", "http"):
        return None
    exact = f"{host}:{parts.port}" if parts.port is not None else host
    return instance.git_credentials.get(exact) or instance.git_credentials.get(host)


def _parts(secret: Secret, value: Hidden) -> tuple[str, Hidden]:
    """User and password of `user:password`, or a token alone. Raises Unfit."""
    says = (
        f"the secret {secret.name!r} is no git credential; give it a value like user:password, or a token, in one line"
    )
    try:
        text = value.text().strip()
    except ValueError:
        raise Unfit(says) from None
    if not text or any(ord(character) < ord(" ") for character in text):
        raise Unfit(says)
    username, mark, password = text.partition(":")
    return (username, Hidden(password.encode())) if mark else (_ANY_USER, Hidden(text.encode()))
