"""What belongs to a resource without order: members and grants of a group, secrets an instance exposes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

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
    # A place holds one: a member another role, a variable or a file another secret, is changed in one step.
    place = {"members": "other", "exposures": "value"}.get(field)
    taken = {getattr(link, place) for link in links} if place else set[Any]()
    held = {getattr(link, place): link for link in has} if place else {}
    for link in links:
        if link not in has:
            _put(mooring, row, field, link, held.get(getattr(link, place)) if place else None, reason)
    for link in has:
        if link not in links and (not place or getattr(link, place) not in taken):
            _drop(mooring, row, field, link, reason)


def _put(mooring: "Mooring", row: Row, field: str, link: Link, before: Link | None, reason: str | None) -> None:
    """Add a link, in the place of the one before it where there is one."""
    if field == "exposures" and before is not None:
        mooring.of("exposure").patch(_exposure_id(row, before), {"secret_id": link.other}, reason=reason)
    else:
        _add(mooring, row, field, link, reason)


def _exposure_id(row: Row, link: Link) -> str:
    return next(str(entry["id"]) for entry in row["exposures"] if link == _exposed(entry))


def _exposed(entry: Row) -> Link:
    return Link(entry["secret_id"], entry["expose_as_env"] or entry["expose_as_file"])


def _add(mooring: "Mooring", row: Row, field: str, link: Link, reason: str | None) -> None:
    match field:
        case "members":
            mooring.groups.put_member(row["id"], link.other, cast("Any", link.value), reason=reason)
        case "available_filesystems":
            mooring.groups.grant(row["id"], "filesystem", link.other, reason=reason)
        case "available_secrets":
            mooring.groups.grant(row["id"], "secret", link.other, reason=reason)
        case _:
            file = link.value if link.value and link.value.startswith("/") else None
            new = NewInstanceSecretMapping(
                compute_instance_id=row["id"],
                secret_id=link.other,
                expose_as_env=None if file else link.value,
                expose_as_file=file,
            )
            mooring.secrets.expose(new, reason=reason)


def _drop(mooring: "Mooring", row: Row, field: str, link: Link, reason: str | None) -> None:
    match field:
        case "members":
            mooring.groups.drop_member(row["id"], link.other, reason=reason)
        case "available_filesystems":
            mooring.groups.revoke(row["id"], "filesystem", link.other, reason=reason)
        case "available_secrets":
            mooring.groups.revoke(row["id"], "secret", link.other, reason=reason)
        case _:
            mooring.secrets.unexpose(_exposure_id(row, link), reason=reason)
