"""Routes of secrets. Values come in and never go out."""

import base64
import binascii

import msgspec

from mooring.audit.verbs import Verbs
from mooring.base.db import Tx
from mooring.base.errors import Unfit
from mooring.base.hidden import Hidden
from mooring.compute import usage
from mooring.http.call import Call
from mooring.http.errors import Malformed
from mooring.http.listing import whole
from mooring.http.once import answered, once
from mooring.http.resource import Resource, action, answer, routes
from mooring.http.route import Answer, Route
from mooring.secrets import rotations, secrets
from mooring.secrets.entities import LOCAL, Secret
from mooring.secrets.kinds import VAULT_ROTATION as VAULT_ROTATION_KIND
from mooring.secrets.live import warnings
from mooring.wire import secrets as wire
from mooring.wire.base import WholeQuery

VAULT_ROTATION = Resource(verbs=Verbs(kind=VAULT_ROTATION_KIND), reply=wire.VaultRotation, changes=False, deletes=False)
SECRET = Resource(verbs=secrets.SECRETS, reply=wire.Secret, edit=wire.EditSecret, delete=secrets.delete)


async def _create(call: Call) -> Answer:
    given = await call.decode(wire.NewSecret)
    if (given.value is None) == (given.vault_id is None):
        raise Malformed("body: give either a value to keep, or the vault_id of one that lies in a vault", field="value")
    named = {"name": given.name, "description": given.description}
    if given.vault_id is not None:
        return await _register(call, {**named, "vault": given.vault, "vault_id": given.vault_id})
    value = _value(given.value or "", given.encoding)
    if (told := await _answered(call)) is not None:
        return told
    vaults = call.app.vaults
    async with vaults.storing(call.actor, given.vault, value) as kept, call.app.database.transaction() as tx:

        async def make() -> Answer:
            return await _kept(tx, call, await secrets.create(tx, call.actor, kept, named), value, status=201)

        return await once(tx, call, make)


async def _register(call: Call, named: dict[str, object]) -> Answer:
    vault = named["vault"]
    if not isinstance(vault, str):
        raise Malformed("body: name the vault in which vault_id lies", field="vault")
    call.app.vaults.vault(vault)
    async with call.app.database.transaction() as tx:

        async def make() -> Answer:
            made = await secrets.register(tx, call.actor, named)
            told = await answer(SECRET, tx, call, made, status=201)
            return _with_warnings(told, [])

        return await once(tx, call, make)


async def _renew(call: Call) -> Answer:
    given = await call.decode(wire.NewValue)
    value = _value(given.value, given.encoding)
    if (told := await _answered(call)) is not None:
        return told
    async with call.app.database.reading() as tx:
        before = await secrets.to_renew(tx, call.actor, call.path["id"])
    call.check_match(before.version)
    version = await call.app.vaults.renew(before, value)
    async with call.app.database.transaction() as tx:

        async def make() -> Answer:
            return await _kept(tx, call, await secrets.renewed(tx, call.actor, before, version), value)

        return await once(tx, call, make)


async def _answered(call: Call) -> Answer | None:
    """What a first try under the same key was answered: a retry must not go to the vault, or make a key, again."""
    async with call.app.database.reading() as tx:
        return await answered(tx, call)


async def _move(call: Call) -> Answer:
    given = await call.decode(wire.MoveSecret)
    if (told := await _answered(call)) is not None:
        return told
    async with call.app.database.reading() as tx:
        call.check_match((await secrets.SECRETS.read(tx, call.actor, call.path["id"])).version)
    vaults = call.app.vaults
    async with (
        vaults.moving(call.actor, call.path["id"], given.vault) as (before, kept),
        call.app.database.transaction() as tx,
    ):

        async def make() -> Answer:
            return await answer(SECRET, tx, call, await secrets.moved(tx, call.actor, before, kept))

        return await once(tx, call, make)


async def _check(tx: Tx, call: Call) -> Secret:
    return await secrets.check(tx, call.actor, call.path["id"])


async def _kept(tx: Tx, call: Call, secret: Secret, value: Hidden, *, status: int = 200) -> Answer:
    return _with_warnings(await answer(SECRET, tx, call, secret, status=status), warnings(value))


def _with_warnings(told: Answer, said: list[str]) -> Answer:
    shown = told.body
    assert isinstance(shown, wire.Secret)
    fields = {name: getattr(shown, name) for name in shown.__struct_fields__}
    return Answer(status=told.status, body=wire.KeptSecret(**fields, warnings=said), headers=told.headers)


async def _usage(call: Call) -> Answer:
    async with call.app.database.reading() as tx:
        found = await usage.usage(tx, call.actor, call.path["id"])
    return Answer(
        body=wire.SecretUsage(
            kind="SecretUsage",
            secret_id=call.path["id"],
            groups=msgspec.convert(found.groups, list[wire.SecretGroup], from_attributes=True),
            exposures=msgspec.convert(found.exposures, list[wire.SecretExposure], from_attributes=True),
            deliveries=msgspec.convert(found.deliveries, list[wire.SecretDelivery], from_attributes=True),
            older_left_out=found.older_left_out,
        )
    )


async def _vaults(call: Call) -> Answer:
    vaults = call.app.vaults
    told = call.actor.sees.everything
    states = await vaults.states() if told else dict.fromkeys(sorted(vaults.vaults))
    items = [
        wire.VaultState(
            name=_named(name),
            first=name == vaults.first,
            usable=reason is None if told else None,
            reason=reason,
            keys=await _keys(call) if told and name == LOCAL else None,
        )
        for name, reason in states.items()
    ]
    return Answer(body=whole(call, wire.VaultList, items))


def _named(name: str) -> wire.Vault:
    return msgspec.convert(name, wire.Vault)


async def _keys(call: Call) -> list[wire.VaultKey]:
    vault = call.app.vaults.with_keys()
    uses = {use.key_id: use.count for use in await vault.uses()}
    active = vault.active_key
    return [
        wire.VaultKey(id=key_id, active=key_id == active, values=uses.get(key_id, 0)) for key_id in {active: 0, **uses}
    ]


async def _rotate(call: Call) -> Answer:
    """A new key first, then the row: without it nothing is lost, a key that wraps nothing yet stays in the keyring."""
    rotations.require_rotation(call.actor)
    vault = call.app.vaults.with_keys()
    given = await call.decode(wire.RotateVault)
    if (told := await _answered(call)) is not None:
        return told
    key_id = vault.renew_key() if given.new_key else vault.active_key
    async with call.app.database.transaction() as tx:

        async def make() -> Answer:
            return await answer(VAULT_ROTATION, tx, call, await rotations.begin(tx, call.actor, key_id), status=201)

        return await once(tx, call, make)


def _value(text: str, encoding: wire.Encoding) -> Hidden:
    """The bytes of a value. Raises Unfit, which does not quote it."""
    try:
        return Hidden(text.encode() if encoding == "text" else base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        raise Unfit(f"value: it is not {encoding}, as `encoding` says", field="value") from None


ROUTES: list[Route] = [
    *routes(SECRET),
    Route(
        method="POST", path="/secrets", operation="createSecret", tag="secrets",
        says="Keep a value in a vault as a secret, or register one that lies there", handle=_create,
        body=wire.NewSecret, answer=wire.KeptSecret, status=201, refuses=(409, 422, 503),
        headers=("Idempotency-Key", "Audit-Reason"),
    ),
    Route(
        method="POST", path="/secrets/{id}/versions", operation="renewSecret", tag="secrets",
        says="Give a secret a new value; runs that start from now on get it", handle=_renew, body=wire.NewValue,
        answer=wire.KeptSecret, refuses=(404, 409, 412, 422, 503),
        headers=("Idempotency-Key", "If-Match", "Audit-Reason"),
    ),
    Route(
        method="POST", path="/secrets/{id}/move", operation="moveSecret", tag="secrets",
        says="Move a secret's value into another vault", handle=_move, body=wire.MoveSecret, answer=wire.Secret,
        refuses=(404, 409, 412, 422, 503), headers=("Idempotency-Key", "If-Match", "Audit-Reason"),
    ),
    Route(
        method="GET", path="/secrets/{id}/usage", operation="usageOfSecret", tag="secrets",
        says="Who can use a secret, and which runs got which version of it", handle=_usage, answer=wire.SecretUsage,
        refuses=(404,),
    ),
    Route(
        method="GET", path="/vaults", operation="listVaults", tag="vaults", says="The vaults that are set up",
        handle=_vaults, answer=wire.VaultList, query=WholeQuery,
    ),
    *routes(VAULT_ROTATION),
    Route(
        method="POST", path="/vault_rotations", operation="createVaultRotation", tag="vault_rotations",
        says="Change the embedded vault's key: every value is wrapped anew, none is opened to do so", handle=_rotate,
        body=wire.RotateVault, answer=wire.VaultRotation, status=201,
        refuses=(409, 422, 503), headers=("Idempotency-Key", "Audit-Reason"),
    ),
    action(SECRET, "check", says="Look for a registered secret in its vault again", verb=_check),
]  # fmt: skip
