"""The whole API as one object, for both ways to call it."""

from types import TracebackType
from typing import Any, Self

from mooring.client.asking import BASE, told
from mooring.client.carry import Carrier
from mooring.client.collections import Collection
from mooring.client.files import Filesystems
from mooring.client.flow import Ask, Bound, D, Flow, Operation, Sync
from mooring.client.kinds import KINDS
from mooring.client.nouns import Events, Groups, Record, Runs, Tokens, Workflows
from mooring.client.profile import server_url
from mooring.client.secrets import Secrets, Vaults
from mooring.client.sessions import Sessions
from mooring.wire import catalog, compute, identity
from mooring.wire.access import Explanation
from mooring.wire.audit import ResourceEvent
from mooring.wire.files import Filesystem
from mooring.wire.secrets import Secret
from mooring.wire.sessions import Run, Session


class Api(Bound[D]):
    """Every collection. What is not typed here is reached with `of`, as plain JSON."""

    def __init__(self, carrier: Any) -> None:  # noqa: ANN401 - see Bound
        super().__init__(carrier)
        self.users: Collection[D, identity.User] = Collection(carrier, KINDS["user"], identity.User)
        self.groups: Groups[D] = Groups(carrier, KINDS["group"], identity.Group)
        self.tokens: Tokens[D] = Tokens(carrier, KINDS["token"], identity.Token)
        self.agents: Collection[D, catalog.Agent] = Collection(carrier, KINDS["agent"], catalog.Agent)
        self.skills: Collection[D, catalog.Skill] = Collection(carrier, KINDS["skill"], catalog.Skill)
        self.tasks: Collection[D, catalog.Task] = Collection(carrier, KINDS["task"], catalog.Task)
        self.workflows: Workflows[D] = Workflows(carrier, KINDS["workflow"], catalog.Workflow)
        self.instances: Collection[D, compute.ComputeInstance] = Collection(
            carrier, KINDS["instance"], compute.ComputeInstance
        )
        self.sessions: Sessions[D] = Sessions(carrier, KINDS["session"], Session)
        self.filesystems: Filesystems[D] = Filesystems(carrier, KINDS["filesystem"], Filesystem)
        self.secrets: Secrets[D] = Secrets(carrier, KINDS["secret"], Secret)
        self.vaults: Vaults[D] = Vaults(carrier)
        self.runs: Runs[D] = Runs(carrier, KINDS["run"], Run)
        self.events: Events[D] = Events(carrier, KINDS["event"], ResourceEvent)
        self.record: Record[D] = Record(carrier)

    def of(self, noun: str) -> Collection[D, dict[str, Any]]:
        """The collection of a kind by its noun, its resources as plain JSON."""
        return Collection(self.carrier, KINDS[noun], dict[str, Any])

    @Operation
    def whoami(self) -> Flow[identity.Who]:
        """Who the server takes you for, and what your token allows."""
        return told(identity.Who, Ask(method="GET", path=f"{BASE}/whoami"))

    @Operation
    def explain(self, resource: str, *, action: str = "read", user: str | None = None) -> Flow[Explanation]:
        """Whether a user (None: oneself) may do this to the resource with this id, and why. Raises Missing, Denied."""
        query = (("resource", resource), ("action", action), *((("user", user),) if user else ()))
        return told(Explanation, Ask(method="GET", path=f"{BASE}/access/explain", query=query))


class Mooring(Api[Sync]):
    """Mooring at once: every call returns when it is done. For one thread at a time."""

    def __init__(self, server: str, token: str) -> None:
        self.server = server_url(server)
        super().__init__(Carrier(self.server, token))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.carrier.close()
