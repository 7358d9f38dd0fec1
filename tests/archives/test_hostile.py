"""What an import refuses, and what it takes the danger out of."""

import tempfile

import pytest

from archives import make
from archives.hostile import REFUSED, SMALL, Case
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


@pytest.mark.parametrize(
    "part",
    [
        make.file("a", mode=0o4755),
        make.file("a", mode=0o2755),
        make.file("a", mode=0o1755),
        make.pax(make.record("SCHILY.xattr.security.capability", b"\x01\x00\x00\x02")) + make.file("a", mode=0o755),
        make.pax(make.record("SCHILY.acl.access", "user::rwx")) + make.file("a", mode=0o755),
        make.pax(make.record("LIBARCHIVE.xattr.user.x", "eA==")) + make.file("a", mode=0o755),
        make.file("a", mode=0o755, uid=make.base256(2**31 - 2, 8)),
        make.pax(make.record("uid", "4294967295"), make.record("uname", "root")) + make.file("a", mode=0o755),
    ],
    ids=["setuid", "setgid", "sticky", "capability", "ACL", "attribute", "huge uid", "pax uid"],
)
def test_rights_and_owners_are_left_out(part: bytes) -> None:
    assert entries(make.gz(make.tar(part)))["a"].mode == 0o755


@pytest.mark.parametrize(
    ("mtime", "found"),
    [(make.base256(-(2**40), 12), 0), (make.base256(2**62, 12), 253402300799), (1, 1)],
    ids=["before 1970", "after 9999", "as it is"],
)
def test_a_wild_time_is_brought_in(mtime: bytes | int, found: int) -> None:
    assert entries(make.gz(make.tar(make.file("a", mtime=mtime))))["a"].mtime == found


@pytest.mark.parametrize("mtime", ["-1.5", "99999999999999", "1700000000.123456789"])
def test_a_wild_pax_time_is_brought_in(mtime: str) -> None:
    found = entries(make.gz(make.tar(make.pax(make.record("mtime", mtime)) + make.file("a"))))["a"].mtime
    assert found == max(0, min(int(mtime.partition(".")[0]), 253402300799))


def test_a_root_without_rights_is_a_directory_like_any_other() -> None:
    found = entries(make.gz(make.tar(make.directory("./", mode=0), make.directory("./d/", mode=0), make.file("./d/a"))))
    assert {path: entry.mode for path, entry in found.items()} == {"d": 0o755, "d/a": 0o644}


ODD = ["CON", "a/nul.txt", "LPT1", "trailing.", "space ", "what?", "ab:c"]


@pytest.mark.parametrize("name", ODD)
def test_a_name_other_systems_cannot_have_is_counted(name: str) -> None:
    tree = taken(make.gz(make.tar(make.file(name))))
    assert (tree.warned, len(tree.warnings)) == (1, 1)
    assert name in tree.warnings[0]


@pytest.mark.parametrize("name", ODD)
def test_a_name_other_systems_cannot_have_is_refused_where_that_is_asked(name: str) -> None:
    with pytest.raises(Refused) as refused:
        taken(make.gz(make.tar(make.file(name))), Limits(portable_names=True))
    assert refused.value.rule is Rule.PORTABLE


@pytest.mark.parametrize(
    "pair", [("readme", "README"), ("README", "readme"), ("A/x", "a/x"), ("Stra\u00dfe", "STRASSE")]
)
def test_names_that_differ_in_case_are_counted_or_refused(pair: tuple[str, str]) -> None:
    data = make.gz(make.tar(*(make.file(name) for name in pair)))
    assert taken(data).warned >= 1
    with pytest.raises(Refused) as refused:
        taken(data, Limits(portable_names=True))
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
    "a link to what is not there": (make.gz(make.tar(make.symlink("a", "nowhere"))), {"a"}),
    "a link to the root": (make.gz(make.tar(make.directory("d"), make.symlink("d/up", ".."))), {"d", "d/up"}),
    "links in a circle": (make.gz(make.tar(make.symlink("a", "b"), make.symlink("b", "a"))), {"a", "b"}),
    "a zip with a comment": (make.Zipped().add(b"a").done(comment=b"0123456789abcdef"), {"a"}),
    "a zip with a descriptor": (
        make.Zipped().add(b"a", b"", flags=0x808, descriptor=b"PK\x07\x08" + bytes(12)).done(),
        {"a"},
    ),
    "a zip from Windows": (make.Zipped().add(b"a", mode=0, made_by=20).done(), {"a"}),
    "a zip with a link": (make.Zipped().add(b"a", b"b", mode=0o120777).done(), {"a"}),
}


@pytest.mark.parametrize(("data", "names"), GOOD.values(), ids=GOOD.keys())
def test_it_is_taken(data: bytes, names: set[str]) -> None:
    assert set(entries(data)) == names


def test_a_hard_link_is_a_copy() -> None:
    found = entries(make.gz(make.tar(make.file("a", b"same", mode=0o755), make.hard_link("b", "a"))))
    assert (found["b"].sha256, found["b"].size, found["b"].mode) == (found["a"].sha256, 4, 0o755)


@pytest.mark.parametrize("left", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["tar.gz", "tar", "zip"])
def test_what_is_cut_is_refused(name: str, left: float) -> None:
    files = [(f"f{at}", bytes([at]) * 3000) for at in range(5)]
    plain = make.tar(*(make.file(path, data) for path, data in files))
    data = {"tar.gz": make.gz(plain), "tar": plain, "zip": make.zipped(files)}[name]
    with pytest.raises(Refused):
        taken(data[: int(len(data) * left)])
