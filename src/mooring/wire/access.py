"""Why someone may do something, as it is sent."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mooring.wire.base import Id

Action = Literal["read", "create", "change", "operate", "grant"]


class ExplainQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether a user (the asker, when none is named) may do this to a resource, and why."""

    resource: Annotated[Id, Meta(description="The id of what it is about")]
    action: Annotated[Action, Meta(description="What is to be done to it")] = "read"
    user: Annotated[str, Meta(max_length=220, description="Id or username")] | None = None


class Explanation(Struct, kw_only=True):
    """The answer. `because` is the rule that allows it, `chain` how it comes to hold; `allowed_to` are all rules."""

    kind: str
    user_id: Id
    action: Action
    resource_type: str
    resource_id: Id
    allowed: bool
    because: str | None
    chain: list[str]
    allowed_to: list[str]
