"""What a table shows of each kind."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

from mooring.cli.plain import line
from mooring.cli.units import clock, moment, seconds, since

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading and what stands under it. `gives` way where the terminal is narrow; others are never cut.

    `last`: it gives way where the others have no more to give.
    """

    heading: str
    cell: Callable[[Row], str]
    gives: bool = True
    last: bool = False
    # Only in a wide table.
    wide: bool = False


def field(name: str, *, gives: bool = True, wide: bool = False, heading: str | None = None) -> Column:
    """A field as it is, in one line; `-` where there is nothing."""

    def cell(row: Row) -> str:
        value = row.get(name)
        if value is None or value in ("", [], {}):
            return "-"
        return text_of(value)

    shown = heading or name.upper().removesuffix("_ID").replace("_", " ")
    return Column(heading=shown, cell=cell, gives=gives, wide=wide)


def text_of(value: object) -> str:
    """A value in one line: text as it is, words beside each other, all else as JSON."""
    if isinstance(value, list):
        words = cast("list[object]", value)
        if all(isinstance(word, str) for word in words):
            return line(", ".join(map(str, words)))
    return line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _took(row: Row) -> str:
    start, end = moment(row.get("started_at")), moment(row.get("ended_at"))
    return "-" if start is None else seconds(((end or datetime.now(UTC)) - start).total_seconds())


def changes(row: Row) -> str:
    """What an event changed, field by field: `phase: pending > running`."""
    details = _mapping(row.get("details"))
    was, now = _mapping(details.get("before")), _mapping(details.get("after"))
    if not was or not now:
        # Made, or removed: every field would be named.
        label = (now or was).get("name") or (now or was).get("username")
        return line(str(label)) if label else "-"
    return ", ".join(f"{name}: {_brief(was.get(name))} > {_brief(value)}" for name, value in now.items())


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = line(text)
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004 - enough to know it again


def _whole(heading: str, cell: Callable[[Row], str]) -> Column:
    return Column(heading=heading, cell=cell, gives=False)


_NAME = field("name")
_PHASE = field("phase", gives=False)
_TOOK = _whole("TOOK", _took)
_ID = field("id", gives=False)
_AGE = _whole("AGE", lambda row: since(row.get("created_at")))
_PROMPT = field("prompt", wide=True)
_REPO = field("repo_url", heading="REPO")

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "user": (field("username"), _NAME, field("role", gives=False), field("email", wide=True), _ID, _AGE),
    "group": (
        _NAME,
        _whole("MEMBERS", lambda row: str(len(row.get("members") or ()))),
        field("description"),
        _ID,
        _AGE,
    ),
    "token": (
        _NAME,
        field("scopes"),
        _whole("LAST USED", lambda row: since(row.get("last_used_at"))),
        _whole("EXPIRES", lambda row: clock(row.get("expires_at"))),
        _whole("REVOKED", lambda row: clock(row.get("revoked_at"))),
        _ID,
        _AGE,
    ),
    "filesystem": (_NAME, _PHASE, field("uncompressed_size_mb", heading="MB"), field("reason", wide=True), _ID, _AGE),
    "secret": (_NAME, field("vault"), field("secret_version", heading="VERSION"), _ID, _AGE),
    "agent": (
        _NAME,
        field("runtime"),
        field("model"),
        field("repo_url", heading="REPO", wide=True),
        _PROMPT,
        _ID,
        _AGE,
    ),
    "skill": (_NAME, _REPO, _PROMPT, _ID, _AGE),
    "task": (
        _NAME,
        field("check"),
        field("max_attempts", heading="ATTEMPTS", gives=False),
        field("runtime", wide=True),
        field("timeout", wide=True),
        _PROMPT,
        _ID,
        _AGE,
    ),
    "workflow": (
        _NAME,
        _whole("SKILLS", lambda row: str(len(row.get("skills") or ()))),
        _whole("TASKS", lambda row: str(len(row.get("tasks") or ()))),
        _REPO,
        _PROMPT,
        _ID,
        _AGE,
    ),
    "instance": (
        _NAME,
        field("engine", gives=False),
        field("image_name", heading="IMAGE"),
        field("network", gives=False),
        field("command", wide=True),
        _ID,
        _AGE,
    ),
    "session": (
        _NAME,
        _PHASE,
        _TOOK,
        field("reason", wide=True),
        field("repo_url", heading="REPO", wide=True),
        _ID,
        _AGE,
    ),
    "run": (
        _PHASE,
        field("engine"),
        _TOOK,
        field("exit_code", heading="EXIT", gives=False),
        field("reason", wide=True),
        field("session_id", wide=True),
        _ID,
        _AGE,
    ),
    "workflow-skill": (field("workflow_id"), field("skill_id"), field("position", gives=False), _ID, _AGE),
    "workflow-task": (
        field("workflow_id"),
        field("task_id"),
        field("position", gives=False),
        field("continue_on_failure", gives=False, wide=True),
        _ID,
        _AGE,
    ),
    "exposure": (
        field("compute_instance_id", heading="INSTANCE"),
        field("secret_id"),
        field("expose_as_env", heading="ENV"),
        field("expose_as_file", heading="FILE"),
        _ID,
        _AGE,
    ),
    "version": (
        field("filesystem_id"),
        field("number", gives=False),
        field("source", gives=False),
        field("entry_count", heading="ENTRIES", gives=False),
        field("uncompressed_size", heading="BYTES", gives=False),
        field("archive_checksum", heading="CHECKSUM", wide=True),
        _ID,
        _AGE,
    ),
    "rotation": (
        _PHASE,
        field("done", gives=False),
        field("broken"),
        field("key_id", heading="KEY", wide=True),
        _ID,
        _AGE,
    ),
    "event": (
        _whole("AT", lambda row: clock(row.get("timestamp"))[5:-1]),
        replace(field("action", gives=False), last=True),
        field("actor", heading="WHO"),
        _whole("RESOURCE", lambda row: str(row.get("resource_id"))),
        Column(heading="CHANGE", cell=changes),
        field("reason"),
        field("id", wide=True, gives=False),
    ),
}
"""Noun → the columns of its table, in order."""
