"""One request, as a handler sees it: who asks, for what, with which parameters, under which conditions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from litestar import Request
from msgspec import Struct

from mooring.access.actor import Actor
from mooring.app import App
from mooring.http.errors import Malformed, Stale, TooLarge, WrongMedia
from mooring.http.route import JSON, MERGE_PATCH, Route

S = TypeVar("S")
Q = TypeVar("Q", bound=Struct)

BODY_BYTES = 4 << 20
DEEPEST_BODY = 64
_LONGEST_REASON = 1_000
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_OTHER_TYPE = re.compile(r"Expected `(int|float|bool)[^`]*`, got `str` - at `\$\.(\w+)`")
_TYPES = {"int": "a whole number", "float": "a number", "bool": "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose asker is known. `token_id` names the token that let it in; None where none is needed."""

    app: App
    actor: Actor
    token_id: str | None
    route: Route
    request: Request[Any, Any, Any]
    operation_id: str

    @property
    def path(self) -> Mapping[str, str]:
        """The parameters of the path."""
        return self.request.path_params

    def header(self, name: str) -> str | None:
        """A header's text, decoded as UTF-8. Raises Malformed."""
        value = self.request.headers.get(name)
        if value is None:
            return None
        try:
            return value.encode("latin-1").decode()
        except UnicodeError as error:
            raise Malformed(f"the header {name} is not UTF-8", header=name) from error

    def asked(self, shape: type[Q]) -> Q:
        """The query parameters, checked. Raises Malformed for an unknown one, one given twice, or of a wrong type."""
        given: dict[str, str] = {}
        for name, value in self.request.query_params.multi_items():
            if name in given:
                raise Malformed(f"the parameter {name[:80]} is given twice; give it once", parameter=name[:80])
            given[name] = value
        takes = shape.__struct_encode_fields__
        unknown = next((name for name in given if name not in takes), None)
        if unknown is not None:
            can = f"it takes {', '.join(takes)}" if takes else "it takes none"
            raise Malformed(f"there is no parameter {unknown[:80]!r} here; {can}", parameter=unknown[:80])
        try:
            found = msgspec.convert(given, shape, strict=False)
        except msgspec.ValidationError as error:
            raise Malformed(_of_parameter(str(error), given)) from error
        for field, name in zip(shape.__struct_fields__, takes, strict=True):
            # msgspec takes 1.0 and 1e2 for whole numbers as well.
            if type(getattr(found, field)) is int and not given.get(name, "0").lstrip("-").isdecimal():
                raise Malformed(f"parameter {name}: it takes {_TYPES['int']}, not {given[name][:80]!r}", parameter=name)
        return found

    async def decode(self, shape: type[S]) -> S:
        """The JSON body as a `shape`. Raises Malformed (naming the field), WrongMedia, TooLarge."""
        raw = await self.body()
        if not raw.strip():
            raise Malformed("body: it is empty; a JSON object is needed, `{}` at least")
        _check_depth(raw)
        try:
            return msgspec.json.decode(raw, type=shape)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Malformed(f"body: {_said(error)}") from error

    async def fields(self) -> dict[str, Any]:
        """The JSON body as an object, unchecked. Raises Malformed, WrongMedia, TooLarge."""
        return await self.decode(dict[str, Any])

    async def body(self) -> bytes:
        """The body of a JSON request, whole. Raises WrongMedia, TooLarge."""
        media = (self.request.headers.get("Content-Type") or JSON).partition(";")[0].strip().lower()
        if media not in (JSON, MERGE_PATCH):
            raise WrongMedia(f"the body must be {JSON}, not {media[:80]}", media=media[:80])
        return bytes(await self.received())

    async def received(self) -> bytearray:
        """What the body is made of, once all of it came; it is read once. Raises TooLarge."""
        held: bytearray | None = self.request.state.get("body")
        if held is None:
            # Where it says so itself, before it comes.
            _not_too_large(int(self.request.headers.get("Content-Length", "0")))
            held = self.request.state.body = bytearray()
            async for chunk in self.request.stream():
                held += chunk
                _not_too_large(len(held))
        return held

    def check_match(self, version: int) -> None:
        """Return when If-Match is absent or names this version. Raises Stale, Malformed."""
        wanted = self.header("If-Match")
        if wanted is None:
            return
        if not _names(wanted, etag(version), "If-Match", weak=False):
            raise Stale(f"it is at version {version} now; read it again and decide anew", version=version)

    def check_conditions(self) -> None:
        """Return unless a change is asked for under a condition that nobody would look at. Raises Malformed."""
        if self.route.method != "GET" and "If-Match" not in self.route.headers and "If-Match" in self.request.headers:
            raise Malformed("If-Match is not taken here: there is no version it could name", header="If-Match")

    def has_already(self, mark: str) -> bool:
        """Whether If-None-Match says that the asker has what this ETag is of."""
        held = self.header("If-None-Match")
        return held is not None and _names(held, mark, "If-None-Match", weak=True)


def _not_too_large(size: int) -> None:
    if size > BODY_BYTES:
        raise TooLarge(f"the body has more than {BODY_BYTES} bytes", most=BODY_BYTES)


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def reason_of(request: Request[Any, Any, Any]) -> str | None:
    """The Audit-Reason of a request. Raises Malformed."""
    value = request.headers.get("Audit-Reason")
    if value is None:
        return None
    try:
        text = value.encode("latin-1").decode().strip()
    except UnicodeError as error:
        raise Malformed("the header Audit-Reason is not UTF-8", header="Audit-Reason") from error
    if not text.isprintable() or len(text) > _LONGEST_REASON:
        raise Malformed(
            f"the header Audit-Reason must be printable, of at most {_LONGEST_REASON} characters", header="Audit-Reason"
        )
    return text or None


def _names(header: str, mark: str, name: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    found = False
    for part in header.split(","):
        tag = part.strip()
        if weak:
            tag = tag.removeprefix("W/")
        if len(tag) < 2 or not (tag.removeprefix("W/").startswith('"') and tag.endswith('"')):  # noqa: PLR2004 - two quotes
            raise Malformed(f'{name}: {tag[:40]} is no entity tag; it stands in quotes, "3"', header=name)
        found = found or tag == mark
    return found


def _check_depth(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST_BODY:
        return
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > DEEPEST_BODY:
        raise Malformed(f"body: nested {deepest} deep; at most {DEEPEST_BODY} levels are taken")


def _of_parameter(says: str, given: Mapping[str, str]) -> str:
    """What is wrong with a parameter; all of them come as text."""
    found = _OTHER_TYPE.fullmatch(says)
    if found is None:
        return f"parameter: {says}".replace("`$.", "`")
    return f"parameter {found[2]}: it takes {_TYPES[found[1]]}, not {given[found[2]][:80]!r}"


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    # msgspec says `… - at `$.name``: the place is named.
    return str(error).replace("`$.", "`").replace(" - at `$`", "")
