"""What a body may hold, as the documents tell it: 400 where it cannot be read, 422 where it cannot be meant.

Nothing of Mooring is read here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from proofs.model.kinds import KINDS, NEEDED, PATCHED_NEEDS, Json

Fit = Callable[[Any], int | None]
_RESERVED = {"PATH", "HOME", "IFS", "ENV", "BASH_ENV", "SHELLOPTS"}


def _name(value: Any) -> int | None:
    if not isinstance(value, str) or not 1 <= len(value) <= 220:
        return 400
    bare = value.strip()
    return 422 if not 1 <= len(bare) <= 200 or any(ord(one) < 32 or 127 <= ord(one) < 160 for one in bare) else None


def _text(value: Any) -> int | None:
    if not isinstance(value, str):
        return 400
    return 422 if "\0" in value else None


def _username(value: Any) -> int | None:
    fits = _like("[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,198}[A-Za-z0-9])?")
    return 400 if value == "" else fits(value)


def _of(*words: str) -> Fit:
    return lambda value: None if value in words else 400


def _like(pattern: str) -> Fit:
    def fit(value: Any) -> int | None:
        if not isinstance(value, str):
            return 400
        return None if re.fullmatch(pattern, value, re.ASCII) else 422

    return fit


def _number(value: Any, *, least: float = 0.0, whole: bool = False, most: float = 2.0**31) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return 400
    return None if least <= value <= most and value >= 0 and (whole or value > 0) else 400


def _variable(value: Any) -> int | None:
    if (unfit := _like("[A-Za-z_][A-Za-z0-9_]*")(value)) is not None:
        return unfit
    return 422 if value in _RESERVED or value.startswith(("LD_", "MOORING_")) else None


def _texts(value: Any) -> dict[str, str] | None:
    """A map of texts; None where it is none."""
    if not isinstance(value, dict):
        return None
    held = cast("Json", value)
    return held if all(isinstance(one, str) for one in held.values()) else None


def _variables(value: Any) -> int | None:
    if (held := _texts(value)) is None:
        return 400
    return next((unfit for name in held if (unfit := _variable(name)) is not None), None)


def _id(value: Any) -> int | None:
    return None if isinstance(value, str) and len(value) <= 64 else 400


def _credentials(value: Any) -> int | None:
    if (held := _texts(value)) is None:
        return 400
    fit = all(re.fullmatch("sec_[0-9A-Za-z]{27}", one) for one in held.values())
    return None if fit else 422


def _true(value: Any) -> int | None:
    return None if isinstance(value, bool) else 400


_FIT: Mapping[str, Fit] = {
    "name": _name,
    "username": _username,
    "description": _text,
    "prompt": _text,
    "role": _of("admin", "member", "auditor"),
    "environment": _variables,
    "git_credentials": _credentials,
    "network": _of("none", "allow-list", "full"),
    "permission_policy": _of("ask", "allow", "deny"),
    "expose_as_env": _variable,
    "expose_as_file": _like(r"/run/secrets/[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*"),
    "position": lambda value: _number(value, whole=True, most=2**31 - 1),
    "max_attempts": lambda value: _number(value, whole=True, least=1, most=100),
    "cpus": lambda value: _number(value, most=4096),
    "continue_on_failure": _true,
    "capture": _true,
}


def read(kind: str, given: Mapping[str, Any], *, patched: bool = False) -> Json | None:
    """All fields as POST or PUT take them; None where they cannot be read. `patched`: as a change takes them."""
    spec = KINDS[kind]
    names = spec.editable if patched else tuple(spec.fields)
    needed = PATCHED_NEEDS.get(kind, ()) if patched else ()
    values = {name: given.get(name, spec.fields[name]) for name in names}
    if set(given) - set(names) or any(value is NEEDED for value in values.values()):
        return None
    for name, value in values.items():
        if value is None:
            if spec.fields[name] is not None or name in needed:
                return None
        elif name in spec.refers:
            if _id(value) is not None:
                return None
        elif name in _FIT and _FIT[name](value) == 400:
            return None
    return {name: _bare(name, value) for name, value in values.items()}


def patched(kind: str, now: Mapping[str, Any], patch: Mapping[str, Any]) -> Json | None:
    """The fields that a merge patch names, as they are afterwards (RFC 7396); None where it cannot be read."""
    spec = KINDS[kind]
    if set(patch) - set(spec.editable):
        return None
    merged = merge({name: now[name] for name in spec.editable}, patch)
    values = read(kind, merged, patched=True)
    return None if values is None else {name: values[name] for name in patch}


def merge(now: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """RFC 7396."""
    after = dict(now)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            there = after.get(name)
            after[name] = merge(cast("Json", there) if isinstance(there, dict) else {}, cast("Json", value))
        else:
            after[name] = value
    return after


def unfit(values: Mapping[str, Any]) -> bool:
    """Whether a field that could be read holds what it cannot mean."""
    return any(value is not None and name in _FIT and _FIT[name](value) is not None for name, value in values.items())


def clashing(kind: str, values: Mapping[str, Any]) -> bool:
    """Whether the fields cannot be meant together."""
    if kind == "compute_instances":
        listed = (values["network"] == "allow-list") != bool(values["network_allow"])
        return listed or (values["filesystem_version_id"] is not None and values["filesystem_id"] is None)
    if kind == "instance_secret_mappings":
        return (values["expose_as_env"] is None) == (values["expose_as_file"] is None)
    return False


def _bare(name: str, value: Any) -> Any:
    return value.strip() if name in ("name", "username") and isinstance(value, str) else value
