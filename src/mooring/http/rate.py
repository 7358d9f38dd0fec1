"""How many requests a second one may make: a bucket of tokens per key, filled at the rate. In this process alone."""

import math
from collections import OrderedDict
from dataclasses import dataclass

from mooring.base.errors import Unfit

# Buckets of those who were not heard of longest are forgotten; they start full again.
MOST_KEYS = 10_000
# A full bucket holds this many seconds' worth: a burst.
_BURST_SECONDS = 3.0


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """A limit of `rate` requests a second for each key; 0 is no limit."""

    def __init__(self, rate: float) -> None:
        if not 0 <= rate < math.inf:
            raise Unfit(f"a rate limit is a number of requests a second, 0 for none, not {rate}")
        self._rate = rate
        self._full = max(1.0, rate * _BURST_SECONDS)
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, key: str, now: float) -> int:
        """Take one from the key's bucket at the time `now` (seconds): 0, or the whole seconds until there is one."""
        if not self._rate:
            return 0
        bucket = self._buckets.pop(key, None) or _Bucket(self._full, now)
        bucket.left = min(self._full, bucket.left + max(0.0, now - bucket.at) * self._rate)
        bucket.at = now
        self._buckets[key] = bucket
        if len(self._buckets) > MOST_KEYS:
            self._buckets.popitem(last=False)
        if bucket.left >= 1:
            bucket.left -= 1
            return 0
        return max(1, math.ceil((1 - bucket.left) / self._rate))
