"""The verb of usage: who can use a secret, and who did."""

from dataclasses import dataclass

from mooring.access.actor import Actor, Permission
from mooring.audit.verbs import subject
from mooring.base.db import Tx
from mooring.compute.store import usage as store
from mooring.compute.store.usage import SecretDelivery, SecretExposure, SecretGroup
from mooring.secrets.kinds import SECRET
from mooring.secrets.secrets import SECRETS

MOST_FORMER = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Of one secret: every run that holds it, then the newest 1,000 that did. `older_left_out`: more of those."""

    groups: list[SecretGroup]
    exposures: list[SecretExposure]
    deliveries: list[SecretDelivery]
    older_left_out: bool


async def usage(tx: Tx, actor: Actor, secret_id: str) -> Usage:
    """Everything to who may grant the secret or sees all; to others what is of their own groups. Raises Missing."""
    secret = await SECRETS.read(tx, actor, secret_id)
    all_of_it = actor.sees.everything or actor.may(Permission.GRANT, of=await subject(tx, SECRET, secret))
    only = None if all_of_it else list(actor.sees.group_ids)
    former = await store.former(tx, secret_id, only, MOST_FORMER + 1)
    return Usage(
        groups=await store.groups(tx, secret_id, only),
        exposures=await store.exposures(tx, secret_id, only),
        deliveries=await store.holders(tx, secret_id, only) + former[:MOST_FORMER],
        older_left_out=len(former) > MOST_FORMER,
    )
