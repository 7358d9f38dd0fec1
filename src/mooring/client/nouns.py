"""What can be done with some kinds besides what can be done with all."""

from collections.abc import Sequence
from typing import Literal

from mooring.client.asking import BASE, Patience, ask, decoded, told, writing
from mooring.client.collections import Collection
from mooring.client.errors import Unavailable
from mooring.client.flow import Ask, Bound, D, Flow, Give, Listing, Lost, Operation, Read, Stream
from mooring.client.following import Following, Tell
from mooring.wire.audit import RecordState, RecordVerdict, ResourceEvent
from mooring.wire.catalog import PlacedSkill, PlacedTask, Workflow, WorkflowSkillList, WorkflowTaskList
from mooring.wire.identity import Group, GroupRole, MadeToken, NewToken, Token
from mooring.wire.sessions import Run

# The events of years are read, one by one.
_VERIFYING = 6 * 3600.0


class Groups(Collection[D, Group]):
    """People who use the same instances, files and secrets."""

    @Operation
    def put_member(self, group: str, user: str, role: GroupRole, *, reason: str | None = None) -> Flow[Group]:
        """Make a user a member, or give a member another role."""
        question = writing("PUT", self.at(group, "members", user), {"role": role}, reason=reason)
        return told(Group, question)

    @Operation
    def drop_member(self, group: str, user: str, *, reason: str | None = None) -> Flow[Group]:
        """Take a user out. Raises Missing when it is none of them."""
        return told(Group, writing("DELETE", self.at(group, "members", user), reason=reason))

    @Operation
    def grant(
        self, group: str, what: Literal["filesystem", "secret"], identifier: str, *, reason: str | None = None
    ) -> Flow[Group]:
        """Let the group use a filesystem or a secret. It takes an owner of both."""
        return told(Group, writing("PUT", self.at(group, f"available_{what}s", identifier), reason=reason))

    @Operation
    def revoke(
        self, group: str, what: Literal["filesystem", "secret"], identifier: str, *, reason: str | None = None
    ) -> Flow[Group | None]:
        """Let the group use it no more. An owner of either may; None where the group is not the asker's to see."""
        answer = yield from ask(writing("DELETE", self.at(group, f"available_{what}s", identifier), reason=reason))
        return decoded(answer, Group) if answer.content else None


class Tokens(Collection[D, Token]):
    """Tokens. The text of one is in the answer that made it, and never again."""

    @Operation
    def make(self, new: NewToken, *, reason: str | None = None) -> Flow[MadeToken]:
        """A new token, with its text. Raises Clash with its id when the first answer was lost: the text is gone."""
        return told(MadeToken, writing("POST", self.path, new, reason=reason))

    @Operation
    def revoke(self, identifier: str, *, reason: str | None = None) -> Flow[Token]:
        """It is good for nothing from now on; it stays listed."""
        return told(Token, writing("POST", self.at(identifier, "revoke"), reason=reason))


class Workflows(Collection[D, Workflow]):
    """AS an agent, WITH skills, DO tasks."""

    @Operation
    def put_skills(
        self, workflow: str, skills: Sequence[PlacedSkill], *, reason: str | None = None
    ) -> Flow[WorkflowSkillList]:
        """All its skills, in order, in one change."""
        return told(WorkflowSkillList, writing("PUT", self.at(workflow, "skills"), {"items": skills}, reason=reason))

    @Operation
    def put_tasks(
        self, workflow: str, tasks: Sequence[PlacedTask], *, reason: str | None = None
    ) -> Flow[WorkflowTaskList]:
        """All its tasks, in order, in one change."""
        return told(WorkflowTaskList, writing("PUT", self.at(workflow, "tasks"), {"items": tasks}, reason=reason))


class Runs(Collection[D, Run]):
    """Lives of instances."""

    @Operation
    def stop(self, identifier: str, *, reason: str | None = None) -> Flow[Run]:
        """End it; one that is over stays as it ended."""
        return told(Run, writing("POST", self.at(identifier, "stop"), reason=reason))


class Record(Bound[D]):
    """The record as a whole."""

    @Operation
    def state(self) -> Flow[RecordState]:
        """How far it is sealed."""
        return told(RecordState, Ask(method="GET", path=f"{BASE}/record"))

    @Operation
    def verify(self) -> Flow[RecordVerdict]:
        """Whether every sealed event is as it was sealed. Asked once. Raises Unavailable when there is no verdict."""
        question = Ask(method="POST", path=f"{BASE}/record/verify", patient=_VERIFYING)
        return decoded((yield from ask(question, patience=Patience(tries=1))), RecordVerdict)

    @Listing
    def export(self, *, after: int = 0) -> Stream[bytes]:
        """Every event behind a number as lines of JSON, piece by piece. Raises Unavailable when the line breaks."""
        question = Ask(
            method="GET",
            path=f"{BASE}/record/export",
            query=(("after", str(after)),),
            headers={"Accept": "application/jsonl"},
            streamed=True,
        )
        yield from ask(question)
        try:
            while piece := (yield Read()):
                yield Give(piece)
        except Lost as lost:
            hint = "what came is good to its last whole line; go on with --after"
            raise Unavailable(f"the line broke: {lost.reason}", hint=hint) from lost


class Events(Collection[D, ResourceEvent]):
    """The record."""

    @Listing
    def follow(self, *, after: int | None = None, interrupted: Tell | None = None) -> Stream[ResourceEvent]:
        """Every event behind number `after` (None: from now on), each once and in order, for as long as it is read."""
        following = Following(ResourceEvent, number=after, tell=interrupted)
        while True:
            yield from following.line(self.path, (("watch", "true"),))
