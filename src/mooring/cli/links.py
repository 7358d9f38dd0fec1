"""What belongs to a resource without order: members and grants of a group, secrets an instance exposes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from mooring.cli.documents import Document
from mooring.wire.compute import NewInstanceSecretMapping

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

Row = Mapping[str, Any]
Refer = Callable[[str, str, object], Any]
"""(field, noun, name) → the id, or what stands for one to come."""

ROLES = ("owner", "operator", "viewer")
LINKS: Mapping[str, Mapping[str, str]] = {
    "group": {
        "members": "members",
        "filesystems": "available_filesystems",
        "available_filesystems": "available_filesystems",
        "secrets": "available_secrets",
        "available_secrets": "available_secrets",
    },
    "instance": {"secrets": "exposures", "exposures": "exposures"},
}
"""Noun → the words a document has for its links → the field that shows them."""

_GRANTED: Mapping[str, Literal["filesystem", "secret"]] = {
    "available_filesystems": "filesystem",
    "available_secrets": "secret",
}


@dataclass(frozen=True, slots=True)
class Link:
    """One of them: `other` is an id, or what stands for one to come; `value` the role, or where a secret is exposed."""

    other: Any
    value: str | None = None


def wanted(document: Document, word: str, said: object, refer: Refer) -> list[Link]:
    """The links a document declares: all there are to be. Raises Unfit."""
    shown = LINKS[document.kind.noun][word]
    if shown == "members":
        return list(_members(document, word, said, refer))
    if not isinstance(said, list):
        raise document.unfit(f"{word} must be a list")
    entries = cast("list[object]", said)
    if shown == "exposures":
        exposed = [_exposure(document, f"{word}[{at}]", entry, refer) for at, entry in enumerate(entries)]
        twice = [place for place, count in Counter(link.value for link in exposed).items() if count > 1]
        if twice:
            raise document.unfit(f"{word}: {twice[0]} can hold one secret, and is declared twice")
        return exposed
    noun = shown.removeprefix("available_").removesuffix("s")
    return [Link(refer(f"{word}[{at}]", noun, entry)) for at, entry in enumerate(entries)]


def _members(document: Document, word: str, said: object, refer: Refer) -> Iterator[Link]:
    roles = cast("dict[object, object]", said) if isinstance(said, dict) else None
    if roles is None or not all(role in ROLES for role in roles.values()):
        raise document.unfit(f"{word} must map usernames to {', '.join(ROLES)}")
    for name, role in roles.items():
        yield Link(refer(f"{word}.{name}", "user", name), str(role))


def _exposure(document: Document, place: str, entry: object, refer: Refer) -> Link:
    said = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    where = [str(said[key]) for key in ("env", "file") if key in said]
    if said.keys() - {"secret", "env", "file"} or "secret" not in said or len(where) != 1:
        raise document.unfit(f"{place} must be like {{secret: NAME, env: VARIABLE}} or {{secret: NAME, file: PATH}}")
    return Link(refer(place, "secret", said["secret"]), where[0])


def there(field: str, row: Row) -> list[Link]:
    """The links a resource has."""
    entries: Sequence[Any] = row.get(field) or ()
    if field == "members":
        return [Link(entry["user_id"], entry["role"]) for entry in entries]
    if field == "exposures":
        return [_exposed(entry) for entry in entries]
    return [Link(identifier) for identifier in entries]


def settle(mooring: "Mooring", row: Row, field: str, links: Sequence[Link], reason: str | None) -> None:
    """Make the links of a resource these: what is missing is added before what is too much goes."""
    has = there(field, row)
    if field == "exposures":
        _settle_exposures(mooring, row, has, links, reason)
        return
    for link in links:
        if link not in has:
            _add(mooring, row, field, link, reason)
    # A member that is there with another role was changed in one step.
    stays = {link.other for link in links}
    for link in has:
        if link.other not in stays:
            _drop(mooring, row, field, link, reason)


def _settle_exposures(
    mooring: "Mooring", row: Row, has: Sequence[Link], links: Sequence[Link], reason: str | None
) -> None:
    """What changes is changed in one step, be it the secret of a place or the place of a secret: never is one missing,
    two in each other's way, or one too many."""
    places, held = {link.value for link in links}, {link.value: link for link in has}
    free = [link for link in has if link.value not in places]
    missing = [link for link in links if link not in has]
    # Those whose secret is free come first: each takes its own along.
    for link in sorted(missing, key=lambda link: all(link.other != one.other for one in free)):
        before = held.get(link.value) or _taken(free, link.other)
        if before is None:
            new = NewInstanceSecretMapping(compute_instance_id=row["id"], **_exposing(link))
            mooring.secrets.expose(new, reason=reason)
        else:
            mooring.of("exposure").patch(_exposure_id(row, before), _exposing(link), reason=reason)
    for link in free:
        mooring.secrets.unexpose(_exposure_id(row, link), reason=reason)


def _taken(free: list[Link], secret_id: str) -> Link | None:
    """One that is free, of this secret if there is one; then it is not free any more."""
    chosen = next((one for one in free if one.other == secret_id), free[0] if free else None)
    if chosen is not None:
        free.remove(chosen)
    return chosen


def _exposing(link: Link) -> dict[str, Any]:
    file = link.value if link.value and link.value.startswith("/") else None
    return {"secret_id": link.other, "expose_as_env": None if file else link.value, "expose_as_file": file}


def _exposure_id(row: Row, link: Link) -> str:
    return next(str(entry["id"]) for entry in row["exposures"] if link == _exposed(entry))


def _exposed(entry: Row) -> Link:
    return Link(entry["secret_id"], entry["expose_as_env"] or entry["expose_as_file"])


def _add(mooring: "Mooring", row: Row, field: str, link: Link, reason: str | None) -> None:
    if field == "members":
        mooring.groups.put_member(row["id"], link.other, cast("Any", link.value), reason=reason)
    else:
        mooring.groups.grant(row["id"], _GRANTED[field], link.other, reason=reason)


def _drop(mooring: "Mooring", row: Row, field: str, link: Link, reason: str | None) -> None:
    if field == "members":
        mooring.groups.drop_member(row["id"], link.other, reason=reason)
    else:
        mooring.groups.revoke(row["id"], _GRANTED[field], link.other, reason=reason)
