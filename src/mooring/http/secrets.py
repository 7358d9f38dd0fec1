"""Routes of secrets. Values come in and never go out."""

import base64
import binascii

from mooring.base.db import Tx
from mooring.base.errors import Unfit
from mooring.base.hidden import Hidden
from mooring.http.call import Call
from mooring.http.errors import Malformed
from mooring.http.once import once
from mooring.http.resource import Resource, action, answer, routes
from mooring.http.route import Answer, Route
from mooring.secrets import secrets
from mooring.secrets.entities import Secret
from mooring.secrets.live import warnings
from mooring.wire import secrets as wire

SECRET = Resource(verbs=secrets.SECRETS, reply=wire.Secret, edit=wire.EditSecret, delete=secrets.delete)


async def _create(call: Call) -> Answer:
    given = await call.decode(wire.NewSecret)
    if (given.value is None) == (given.vault_id is None):
        raise Malformed("body: give either a value to keep, or the vault_id of one that lies in a vault", field="value")
    named = {"name": given.name, "description": given.description}
    if given.vault_id is not None:
        return await _register(call, {**named, "vault": given.vault, "vault_id": given.vault_id})
    value = _value(given.value or "", given.encoding)
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
    async with call.app.database.reading() as tx:
        before = await secrets.to_change(tx, call.actor, call.path["id"])
    call.check_match(before.version)
    version = await call.app.vaults.renew(before, value)
    async with call.app.database.transaction() as tx:
        return await _kept(tx, call, await secrets.renewed(tx, call.actor, before, version), value)


async def _move(call: Call) -> Answer:
    given = await call.decode(wire.MoveSecret)
    async with call.app.database.reading() as tx:
        call.check_match((await secrets.SECRETS.read(tx, call.actor, call.path["id"])).version)
    moved = await call.app.vaults.move(call.actor, call.path["id"], given.vault)
    async with call.app.database.reading() as tx:
        return await answer(SECRET, tx, call, moved)


async def _check(tx: Tx, call: Call) -> Secret:
    return await secrets.check(tx, call.actor, call.path["id"])


async def _kept(tx: Tx, call: Call, secret: Secret, value: Hidden, *, status: int = 200) -> Answer:
    return _with_warnings(await answer(SECRET, tx, call, secret, status=status), warnings(value))


def _with_warnings(told: Answer, said: list[str]) -> Answer:
    shown = told.body
    assert isinstance(shown, wire.Secret)
    fields = {name: getattr(shown, name) for name in shown.__struct_fields__}
    return Answer(status=told.status, body=wire.KeptSecret(**fields, warnings=said), headers=told.headers)


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
        answer=wire.KeptSecret, refuses=(404, 409, 412, 422, 503), headers=("If-Match", "Audit-Reason"),
    ),
    Route(
        method="POST", path="/secrets/{id}/move", operation="moveSecret", tag="secrets",
        says="Move a secret's value into another vault", handle=_move, body=wire.MoveSecret, answer=wire.Secret,
        refuses=(404, 409, 412, 422, 503), headers=("If-Match", "Audit-Reason"),
    ),
    action(SECRET, "check", says="Look for a registered secret in its vault again", verb=_check),
]  # fmt: skip
