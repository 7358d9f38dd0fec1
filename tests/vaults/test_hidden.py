"""A hidden value shows itself to nobody who does not ask for it by name."""

import base64
import copy
import io
import json
import logging
import pickle
import pprint
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import msgspec
import pytest
import structlog
import yaml

from mooring.base.errors import Unfit
from mooring.base.hidden import HIDDEN, Hidden
from mooring.base.log import set_up

VALUE = "s3cr3t-canary-7f1c"


@dataclass(frozen=True, kw_only=True)
class Holder:
    value: Hidden


class Pair(NamedTuple):
    name: str
    value: Hidden


def fails(value: Hidden) -> None:
    raise Unfit(f"over {value.size} bytes", value=value)


def shown(text: str) -> bool:
    return (
        VALUE in text or base64.b64encode(VALUE.encode()).decode().rstrip("=") in text or VALUE.encode().hex() in text
    )


SHOWS: list[Callable[[Any], str]] = [
    repr,
    str,
    ascii,
    lambda v: f"{v}",
    lambda v: f"{v!r:>80}",
    lambda v: f"{v:s}",
    lambda v: "%s %r" % (v, v),  # noqa: UP031 - how logging formats
    lambda v: f"{v} {v!r} {v!s} {v!a}",
    lambda v: repr(Holder(value=v)),
    lambda v: repr(Pair("x", v)),
    lambda v: repr({"value": [v]}),
    lambda v: pprint.pformat({"value": v}),
    lambda v: json.dumps({"value": v}, default=str),
    lambda v: json.dumps({"value": v}, default=repr),
    lambda v: str(Unfit("it did not fit", value=v)) + repr(Unfit("it did not fit", value=v).facts),
    lambda v: repr(ValueError(v)) + str(ValueError(v)),
    lambda v: repr(dir(v)) + repr([getattr(v, name) for name in v.__slots__]),
]


@pytest.mark.parametrize("show", SHOWS)
def test_nothing_that_makes_text_of_it_shows_it(show: Callable[[Any], str]) -> None:
    text = show(Hidden(VALUE.encode()))
    assert text
    assert not shown(text)


CARRIES: list[Callable[[Any], object]] = [
    pickle.dumps,
    lambda v: pickle.dumps(Holder(value=v), protocol=0),
    copy.copy,
    copy.deepcopy,
    lambda v: asdict(Holder(value=v)),
    msgspec.json.encode,
    msgspec.msgpack.encode,
    msgspec.to_builtins,
    lambda v: msgspec.json.encode(Holder(value=v)),
    json.dumps,
    yaml.dump,
    bytes,
    list,
    vars,
    lambda v: {v: 1},
    lambda v: setattr(v, "value", b""),
]


@pytest.mark.parametrize("encode", CARRIES)
def test_what_would_carry_it_elsewhere_is_refused_without_showing_it(encode: Callable[[Any], object]) -> None:
    with pytest.raises((TypeError, AttributeError, yaml.YAMLError)) as refused:
        encode(Hidden(VALUE.encode()))
    assert not shown("".join(traceback.format_exception(refused.value)))


@pytest.mark.parametrize("terminal", [True, False])
def test_structlog_writes_a_placeholder(*, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = io.StringIO()
    monkeypatch.setattr(sys, "stderr", kept)
    set_up(level="debug", terminal=terminal)
    log = structlog.stdlib.get_logger("test")
    hidden = Hidden(VALUE.encode())
    try:
        fails(hidden)
    except Unfit:
        log.exception("it failed", value=hidden, holder=Holder(value=hidden), deep={"a": [hidden]})
    structlog.reset_defaults()
    assert HIDDEN in kept.getvalue()
    assert not shown(kept.getvalue())


def test_the_standard_library_logs_a_placeholder(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("any").debug("value %s %r", Hidden(VALUE.encode()), Hidden(VALUE.encode()))
    assert HIDDEN in caplog.text
    assert not shown(caplog.text)


def test_a_traceback_with_local_variables_shows_none() -> None:
    with pytest.raises(Unfit) as failed:
        fails(Hidden(VALUE.encode()))
    told = traceback.TracebackException.from_exception(failed.value, capture_locals=True)
    text = "".join(told.format())
    assert "value = <hidden>" in text
    assert not shown(text)


def test_text_that_is_none_is_refused_without_its_bytes() -> None:
    with pytest.raises(ValueError, match="not UTF-8") as refused:
        Hidden(VALUE.encode() + b"\xff").text()
    assert not shown("".join(traceback.format_exception(refused.value)) + repr(refused.value.args))


def test_it_gives_its_bytes_to_who_asks_and_compares_by_them() -> None:
    assert Hidden(b"a").reveal() == b"a"
    assert Hidden(b"ab").size == 2
    assert Hidden("ü".encode()).text() == "ü"
    assert Hidden(b"a") == Hidden(b"a")
    assert Hidden(b"a") != Hidden(b"b")
    assert Hidden(b"a") != b"a"
