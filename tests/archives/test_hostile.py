"""What an import refuses, and what it takes the danger out of."""

import tempfile

import msgspec
import pytest

from archives import make
from archives.hostile import REFUSED, SMALL, Case
from archives.neutral import NEUTRALISED, UNPORTABLE, Neutral
from mooring.files.archive.ingest import ingest
from mooring.files.archive.limits import Limits
from mooring.files.archive.manifest import Entry
from mooring.files.archive.tree import Tree
from mooring.files.errors import Refused, Rule


def taken(data: bytes, limits: Limits = SMALL) -> Tree:
    """What an import makes of an archive."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as spool:
        source.write(data)
        source.flush()
        return ingest(source.fileno(), spool, limits, lambda _: None)[1]


def entries(data: bytes, limits: Limits = SMALL) -> dict[str, Entry]:
    return {entry.path: entry for entry, _ in taken(data, limits).contents()}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused(case: Case) -> None:
    with pytest.raises(Refused) as refused:
        taken(case.data, case.limits)
    assert refused.value.rule is case.rule, refused.value.reason
    if case.entry is not None:
        assert refused.value.entry == case.entry
    assert refused.value.facts == {"rule": case.rule.value, "entry": refused.value.entry}


def test_every_rule_is_tried() -> None:
    # What the process around it enforces is tried in test_worker, secrets in test_changes, other systems' names below.
    elsewhere = {Rule.TIME, Rule.MEMORY, Rule.SECRET, Rule.PORTABLE}
    assert {case.rule for case in REFUSED.values()} == set(Rule) - elsewhere


@pytest.mark.parametrize("case", NEUTRALISED.values(), ids=NEUTRALISED.keys())
def test_it_is_taken_without_the_danger(case: Neutral) -> None:
    found = {path: msgspec.to_builtins(entry) for path, entry in entries(case.data).items()}
    assert case.differences(found) == []


@pytest.mark.parametrize("case", UNPORTABLE.values(), ids=UNPORTABLE.keys())
def test_names_other_systems_cannot_have_are_counted_and_refused_where_that_is_asked(case: Neutral) -> None:
    tree = taken(case.data)
    assert tree.warned >= 1
    assert any(path in tree.warnings[0] for path in case.entries)
    with pytest.raises(Refused) as refused:
        taken(case.data, Limits(portable_names=True))
    assert refused.value.rule is Rule.PORTABLE


GOOD: dict[str, tuple[bytes, set[str]]] = {
    "several gzip members": (
        make.gz(make.tar(make.file("a"), end=b"")) + make.gz(make.tar(make.file("b"))),
        {"a", "b"},
    ),
    "a member cut in a header": (
        make.gz(make.tar(make.file("a"), end=b"")[:100])
        + make.gz(make.tar(make.file("a"), end=b"")[100:])
        + make.gz(make.END),
        {"a"},
    ),
    "an end filled up to 10 KiB": (make.gz(make.tar(make.file("a"), end=bytes(10240))), {"a"}),
    "GNU's long names": (
        make.gz(make.tar(make.long(b"L", b"n" * 200), make.file("n" * 100, magic=b"ustar  \0"))),
        {"n" * 200},
    ),
    "GNU's long targets": (
        make.gz(make.tar(make.long(b"K", b"t" * 200), make.symlink("a", "t"))),
        {"a"},
    ),
    "the prefix of ustar": (make.gz(make.tar(make.file("c", prefix=b"a/b"))), {"a", "a/b", "a/b/c"}),
    "a header for all entries": (
        make.gz(make.tar(make.pax(make.record("comment", "1" * 40), kind=b"g"), make.file("a"))),
        {"a"},
    ),
    "tar from before ustar": (
        make.tar(make.file("a", magic=bytes(8)), make.file("d/", b"", magic=bytes(8))),
        {"a", "d"},
    ),
    "an empty tar": (make.gz(make.END), set()),
    "an empty zip": (make.Zipped().done(), set()),
    "a directory after what is in it": (make.gz(make.tar(make.file("d/a"), make.directory("d"))), {"d", "d/a"}),
    "a link to the root": (make.gz(make.tar(make.directory("d"), make.symlink("d/up", ".."))), {"d", "d/up"}),
    "a zip with a comment": (make.Zipped().add(b"a").done(comment=b"0123456789abcdef"), {"a"}),
    "a zip with a descriptor": (
        make.Zipped().add(b"a", b"", flags=0x808, descriptor=b"PK\x07\x08" + bytes(12)).done(),
        {"a"},
    ),
    **{
        f"a zip with a Unicode path that is {says}": (
            make.Zipped().add(b"good", central_extra=field, local_extra=field).done(),
            {"good"},
        )
        for says, field in {
            "stale": make.unicode_path(b"evil", "evil"),
            "of a version to come": make.unicode_path(b"good", "evil", version=2),
            "too short": b"\x75\x70\x02\x00\x01\x00",
        }.items()
    },
    "a zip directory with a DOS attribute too": (
        make.Zipped().add(b"d/", b"", mode=0, made_by=20, dos=0x10).done(),
        {"d"},
    ),
    "a zip from Windows": (make.Zipped().add(b"a", mode=0, made_by=20).done(), {"a"}),
    "a zip with a link": (make.Zipped().add(b"a", b"b", mode=0o120777).done(), {"a"}),
}


@pytest.mark.parametrize(("data", "names"), GOOD.values(), ids=GOOD.keys())
def test_it_is_taken(data: bytes, names: set[str]) -> None:
    assert set(entries(data)) == names


@pytest.mark.parametrize("left", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["tar.gz", "tar", "zip"])
def test_what_is_cut_is_refused(name: str, left: float) -> None:
    files = [(f"f{at}", bytes([at]) * 3000) for at in range(5)]
    plain = make.tar(*(make.file(path, data) for path, data in files))
    data = {"tar.gz": make.gz(plain), "tar": plain, "zip": make.zipped(files)}[name]
    with pytest.raises(Refused):
        taken(data[: int(len(data) * left)])
