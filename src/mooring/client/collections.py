"""The resources of one kind: make, read, change, remove, list, find by name."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

import msgspec

from mooring.client.asking import BASE, ask, told, writing
from mooring.client.errors import Ambiguous, Missing
from mooring.client.flow import Ask, Bound, D, Flow, Give, Listing, Operation, Stream
from mooring.client.following import Following, Tell
from mooring.client.kinds import Kind, is_id
from mooring.wire.audit import Change

T = TypeVar("T")

PAGE = 200


class _Page(msgspec.Struct, kw_only=True):
    items: list[msgspec.Raw]
    next: str | None = None


class _Counted(msgspec.Struct, kw_only=True):
    total: int


class Collection(Bound[D], Generic[D, T]):
    """The resources of a kind, each as a `T`. Where one is named, its id is meant."""

    def __init__(self, carrier: Any, kind: Kind, shape: type[T]) -> None:  # noqa: ANN401 - see Bound
        super().__init__(carrier)
        self.kind = kind
        self.shape = shape
        self.path = f"{BASE}/{kind.path}"

    def at(self, identifier: str, *more: str) -> str:
        """The path of one, or of something of it."""
        return "/".join([self.path, *(_part(part) for part in (identifier, *more))])

    @Operation
    def create(self, new: msgspec.Struct | Mapping[str, object], *, reason: str | None = None) -> Flow[T]:
        """Make one. It is made once, however often the line breaks. Raises Unfit, Clash, Denied."""
        return told(self.shape, writing("POST", self.path, new, reason=reason))

    @Operation
    def get(self, identifier: str) -> Flow[T]:
        """The one with this id. Raises Missing."""
        return told(self.shape, Ask(method="GET", path=self.at(identifier)))

    @Operation
    def patch(
        self, identifier: str, changes: Mapping[str, object], *, version: int | None = None, reason: str | None = None
    ) -> Flow[T]:
        """Change the named fields; None clears one. With `version`, only if it is still that: else raises Stale."""
        question = writing("PATCH", self.at(identifier), changes, reason=reason, version=version)
        return told(self.shape, question)

    @Operation
    def replace(
        self,
        identifier: str,
        whole: msgspec.Struct | Mapping[str, object],
        *,
        version: int | None = None,
        reason: str | None = None,
    ) -> Flow[T]:
        """Put the whole in its place. With `version`, only if it is still that: else raises Stale."""
        return told(self.shape, writing("PUT", self.at(identifier), whole, reason=reason, version=version))

    @Operation
    def delete(self, identifier: str, *, version: int | None = None, reason: str | None = None) -> Flow[None]:
        """Remove it. Raises Missing, Clash (with what uses it)."""
        yield from ask(writing("DELETE", self.at(identifier), reason=reason, version=version))

    @Operation
    def put_part(
        self, identifier: str, name: str, items: Sequence[Mapping[str, Any]], *, reason: str | None = None
    ) -> Flow[None]:
        """Put a whole ordered list of it in place of the one it has, in one step."""
        yield from ask(writing("PUT", self.at(identifier, name), {"items": items}, reason=reason))

    @Listing
    def list(
        self,
        *,
        search: str | None = None,
        order_by: str | None = None,
        where: Mapping[str, str] | None = None,
        size: int = PAGE,
    ) -> Stream[T]:
        """Every one, page by page as they are taken; newest first unless `order_by` says else. None comes twice.

        `where` are the further parameters a collection knows.
        """
        after: str | None = ""
        while after is not None:
            said = {"size": str(size), "after": after, "search": search, "orderBy": order_by, **(where or {})}
            page = yield from self._page(said)
            for raw in page.items:
                yield Give(msgspec.json.decode(raw, type=self.shape))
            after = page.next

    @Listing
    def watch(self, *, after: int | None = None, interrupted: Tell | None = None) -> Stream[Change]:
        """Every change behind number `after` (None: from now on), each once and in order, for as long as it is read.

        A line that breaks is made again with the last number; `interrupted` hears why, and None when it stands again.
        Raises NotKnown when the token is no longer good, Unavailable (away for an hour).
        """
        following = Following(Change, number=after, tell=interrupted)
        while True:
            yield from following.line(self.path, (("watch", "true"),))

    def _page(self, said: Mapping[str, str | None]) -> Flow[_Page]:
        query = tuple((name, value) for name, value in said.items() if value is not None)
        return told(_Page, Ask(method="GET", path=self.path, query=query))

    @Operation
    def count(self, *, search: str | None = None) -> Flow[int]:
        """How many there are."""
        query = (("size", "0"), *((("search", search),) if search else ()))
        counted = yield from told(_Counted, Ask(method="GET", path=self.path, query=query))
        return counted.total

    @Operation
    def find(self, name: str, **where: str) -> Flow[T]:
        """The one with this id or name, among those whose fields are as in `where`. Raises Missing, Ambiguous."""
        # Names are kept without the spaces around them.
        noun, name = self.kind.noun, name.strip()
        if is_id(name, self.kind) or self.kind.label is None:
            return (yield from told(self.shape, Ask(method="GET", path=self.at(name))))
        # A quote inside a string is written twice.
        quoted = name.replace("'", "''")
        search = f"{self.kind.label} = '{quoted}'"
        matching: list[dict[str, Any]] = []
        wanted = {self.kind.label: name, **where}
        after: str | None = ""
        while after is not None:
            page = yield from self._page({"size": str(PAGE), "after": after, "search": search})
            rows = [cast("dict[str, Any]", msgspec.json.decode(raw)) for raw in page.items]
            matching += [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
            after = page.next
        if not matching:
            raise Missing(f"there is no {noun} named {name!r}", hint=f"`moor get {noun}` lists those you can see")
        if len(matching) > 1:
            ids = [str(row["id"]) for row in matching]
            raise Ambiguous(
                f"{len(ids)} {self.kind.path} are named {name!r}: {', '.join(ids)}", ids=ids, hint="say which by its id"
            )
        return msgspec.convert(matching[0], self.shape)


def _part(text: str) -> str:
    """Text as one part of a path, whatever it is."""
    return quote(text, safe="").replace(".", "%2E") if text.strip(".") == "" else quote(text, safe="")
