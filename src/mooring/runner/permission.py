"""A question about one exact action, and who answers it."""

from __future__ import annotations

from .link import packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .mask import Mask

_KINDS = {"allow": ("allow_once", "allow_always"), "deny": ("reject_once", "reject_always")}


class Question:
    """`request` is the agent's number for it, `name` ours."""

    def __init__(self, request: int | str, name: str, tool: dict[str, object], options: list[dict[str, str]]) -> None:
        self.request = request
        self.name = name
        self._title = tool["title"]
        self._action = {key: tool.get(key) for key in ("tool", "kind", "input", "diff")}
        self._options = options
        self._hash: str | None = None

    def asked(self, mask: Mask) -> dict[str, object]:
        """The event's data. Its hash is over what is shown: an answer to anything else is none."""
        import hashlib  # noqa: PLC0415 - 4 ms at start that only a question needs

        shown = {
            "question": self.name,
            "title": mask.deep(self._title),
            "action": mask.deep(self._action),
            "options": mask.deep(self._options),
        }
        self._hash = hashlib.sha256(packed(shown)).hexdigest()
        return {**shown, "hash": self._hash}

    def fits(self, answer: dict[str, str]) -> bool:
        """Whether `answer` is to this question as it was shown, with one of its options."""
        return (
            answer.get("question") == self.name
            and self._hash is not None
            and answer.get("hash") == self._hash
            and self.option(answer.get("option", "")) is not None
        )

    def option(self, name: str) -> dict[str, str] | None:
        return next((option for option in self._options if option["id"] == name), None)

    def by_policy(self, policy: str) -> dict[str, str] | None:
        """The option of the policy's kind, the narrower first; None when the agent offers none."""
        for kind in _KINDS[policy]:
            for option in self._options:
                if option["kind"] == kind:
                    return option
        return None
