"""The token of a run's link: made from a key and the run's id, so that nothing has to be kept. Pure.

`mrr_<KSUID of the run>_<hex of HMAC-SHA256(key, "run link v1|" + run id)>`
"""

import hashlib
import hmac

from mooring.base.ids import is_ksuid
from mooring.compute.drivers.base import RunId

_PREFIX = "mrr_"


def make(key: bytes, run: RunId) -> str:
    """The token of `run`."""
    proof = hmac.digest(key, b"run link v1|" + run.encode(), hashlib.sha256).hex()
    return f"{_PREFIX}{run.removeprefix('run_')}_{proof}"


def run_of(key: bytes, token: str) -> RunId | None:
    """The run whose token this is; None for anything else, at the same pace."""
    ksuid = token.removeprefix(_PREFIX).partition("_")[0]
    if not is_ksuid(ksuid):
        return None
    run = RunId(f"run_{ksuid}")
    return run if hmac.compare_digest(make(key, run).encode(), token.encode()) else None


def claimed(token: str) -> RunId | None:
    """The run this claims to be the token of, proven or not; for the record of what was refused."""
    ksuid = token.removeprefix(_PREFIX).partition("_")[0]
    return RunId(f"run_{ksuid}") if token.startswith(_PREFIX) and is_ksuid(ksuid) else None
