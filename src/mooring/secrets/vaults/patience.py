"""How long a vault of others is waited for: what may be repeated is, as the vault asks for it, within bounds."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from mooring.base.work import pause
from mooring.secrets.errors import VaultAway, VaultUnsure

T = TypeVar("T")

_FIRST = 0.2


class TryAgain(Exception):
    """One attempt failed in a way that may pass. `happened`: whether the vault may have done it nevertheless."""

    def __init__(self, why: VaultAway, *, after: float | None, happened: bool) -> None:
        super().__init__(why.reason)
        self.why = why
        self.after = after
        self.happened = happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`attempts` at most, and no wait that would make all waits longer than `longest` seconds."""

    attempts: int = 4
    longest: float = 30.0
    pause: Callable[[float], Awaitable[None]] = pause

    async def insist(self, attempt: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        """What an attempt comes to. What must not happen twice is repeated only while it surely did not happen.

        Raises VaultAway when patience ends, VaultUnsure where it may have happened nevertheless; the fact `retry_after`
        is what the vault asked for, in seconds.
        """
        waited = 0.0
        for number in range(self.attempts):
            try:
                return await attempt()
            except TryAgain as failure:
                wait = _FIRST * 2**number * random.uniform(0.5, 1.0) if failure.after is None else failure.after  # noqa: S311 - spreads retries, guards nothing
                last = number + 1 == self.attempts or waited + wait > self.longest
                if last or (failure.happened and not repeatable):
                    unsure = VaultUnsure(failure.why.reason, **failure.why.facts)
                    raise (unsure if failure.happened else failure.why) from None
                waited += wait
            await self.pause(wait)
        raise AssertionError("the last attempt returns or raises")
