"""GET one, list 100, POST one (a row and its audit event) over HTTP with a token: Mooring's server process against the
same three on FastAPI and the SQLAlchemy ORM, on the same durable PostgreSQL, by turns under the same load."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from report import median, tell
from stage.beside import Reference, reference
from stage.load import Answered, Requests, drive, get, post
from stage.plane import API, Plane, control_plane, processor_seconds, throw_away

ROUNDS = 5
SECONDS = 1.5
ROWS = 1_000
CONNECTIONS = 16
PROMPT = "Read the code before you change it; keep changes small; say what you did not do."


def body(number: int) -> object:
    """An agent to be."""
    return {"name": f"agent {number}", "prompt": PROMPT, "runtime": "shell", "model": "m", "settings": {"a": 1}}


@dataclass(slots=True)
class Side:
    """One of the two: where it answers, and what was measured of it."""

    url: str
    base: str
    token: str
    pid: int
    rates: list[float] = field(default_factory=list[float])
    processor: list[float] = field(default_factory=list[float])

    def measure(self, requests: Requests, *, status: int, seconds: float) -> None:
        """One round: answers a second, and milliseconds of the server's processor time for each."""
        before = processor_seconds(self.pid)
        answered: Answered = drive(self.url, requests, status=status, connections=CONNECTIONS, seconds=seconds)
        self.rates.append(answered.rate)
        self.processor.append((processor_seconds(self.pid) - before) / len(answered.took) * 1000)

    def ids(self) -> list[str]:
        """Some that are there."""
        answer = httpx.get(f"{self.url}{self.base}/agents?size=100", headers={"Authorization": f"Bearer {self.token}"})
        return [item["id"] for item in answer.json()["items"]]


def sides(plane: Plane, other: Reference) -> tuple[Side, Side]:
    """Mooring and the reference, each with as many rows."""
    ours = Side(url=plane.url, base=API, token=plane.token, pid=plane.pid)
    theirs = Side(url=other.url, base="", token=other.token, pid=other.pid)
    for side in (ours, theirs):
        made = itertools.islice(post(f"{side.base}/agents", side.token, body), ROWS)
        drive(side.url, made, status=201, connections=CONNECTIONS)
    return ours, theirs


def compare(name: str, both: tuple[Side, Side], requests: Callable[[Side], Requests], *, status: int = 200) -> None:
    """By turns, then told."""
    for side in both:
        side.measure(requests(side), status=status, seconds=SECONDS / 3)
        side.rates.clear()
        side.processor.clear()
    for turn in range(ROUNDS):
        for side in both if turn % 2 == 0 else reversed(both):
            side.measure(requests(side), status=status, seconds=SECONDS)
    ours, theirs = both
    told = {"compared_with": "FastAPI + SQLAlchemy ORM"}
    tell(f"API: {name}", median(ours.rates), "/s", other=median(theirs.rates), **told)
    tell(f"API: {name}, processor time", median(ours.processor), "ms", other=median(theirs.processor), **told)
    for side in both:
        side.rates.clear()
        side.processor.clear()


def main() -> None:
    with throw_away() as data, control_plane(data) as plane, reference(plane) as other:
        both = sides(plane, other)
        numbers = itertools.count()
        compare("GET one", both, lambda side: get([f"{side.base}/agents/{one}" for one in side.ids()], side.token))
        compare("list 100", both, lambda side: get([f"{side.base}/agents?size=100"], side.token))
        compare(
            "POST one, with its event",
            both,
            lambda side: post(f"{side.base}/agents", side.token, lambda _: body(next(numbers))),
            status=201,
        )


main()
