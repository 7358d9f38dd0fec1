"""The whole API as one object, for both ways to call it."""

from types import TracebackType
from typing import Any, Self

from mooring.client.asking import BASE, told
from mooring.client.carry import Carrier
from mooring.client.collections import Collection
from mooring.client.flow import Ask, Bound, D, Flow, Operation, Sync
from mooring.client.kinds import KINDS
from mooring.client.profile import server_url
from mooring.client.secrets import Secrets, Vaults
from mooring.client.sessions import Sessions
from mooring.wire.identity import Who
from mooring.wire.secrets import Secret
from mooring.wire.sessions import Run, Session


class Api(Bound[D]):
    """Every collection."""

    def __init__(self, carrier: Any) -> None:  # noqa: ANN401 - see Bound
        super().__init__(carrier)
        self.sessions: Sessions[D] = Sessions(carrier, KINDS["session"], Session)
        self.secrets: Secrets[D] = Secrets(carrier, KINDS["secret"], Secret)
        self.vaults: Vaults[D] = Vaults(carrier)
        self.runs: Collection[D, Run] = Collection(carrier, KINDS["run"], Run)

    def of(self, noun: str) -> Collection[D, dict[str, Any]]:
        """The collection of a kind by its noun, its resources as plain JSON."""
        return Collection(self.carrier, KINDS[noun], dict[str, Any])

    @Operation
    def whoami(self) -> Flow[Who]:
        """Who the server takes you for, and what your token allows."""
        return told(Who, Ask(method="GET", path=f"{BASE}/whoami"))


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
