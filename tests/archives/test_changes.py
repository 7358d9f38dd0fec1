"""What a run changed, laid over the version it began with."""

import os
import socket
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from archives import make
from archives.hands import repacked, unpacked
from archives.trees import Leaf, Trees, nest, read
from mooring.files.archive.changes import Layers, changes, laid_over
from mooring.files.archive.finder import Finder
from mooring.files.archive.jobs import Secret
from mooring.files.archive.limits import Limits
from mooring.files.archive.manifest import Head
from mooring.files.archive.manifest import read as entries_of
from mooring.files.archive.pack import Outputs, pack
from mooring.files.errors import Damaged, Refused, Rule

BASE = make.gz(
    make.tar(
        make.file("kept", b"kept", mtime=111),
        make.file("gone", b"gone"),
        make.file("changed", b"before"),
        make.file("d/deep/a", b"a"),
        make.file("d/deep/b", b"b"),
        make.file("d/c", b"c"),
        make.symlink("link", "kept"),
        make.file("program", b"#!/bin/sh\n"),
    )
)


def whiteout(path: Path) -> None:
    try:
        os.mknod(path, 0o20000, 0)
    except PermissionError:
        pytest.skip("only root, or a run in its sandbox, makes whiteouts")


def opaque(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.setxattr(path, "user.overlay.opaque", b"y")


def captured(
    tmp_path: Path,
    change: Callable[[Path], object],
    *,
    left_out: tuple[str, ...] = (),
    secrets: tuple[Secret, ...] = (),
) -> Trees:
    """What a version would hold after this change of the upper layer."""
    base, upper, lower = repacked(BASE), tmp_path / "upper", tmp_path / "lower"
    upper.mkdir()
    unpacked(base.archive, lower)
    change(upper)
    roots = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (lower, upper)]
    try:
        finder = Finder(secrets)
        found = changes(roots[1], left_out, finder, Limits())
        tree = laid_over(entries_of([base.manifest]), found, Limits())
        out = Outputs(archive=BytesIO(), manifest=BytesIO(), blocks=BytesIO())
        head = Head(entries=len(tree), uncompressed_size=tree.total)
        contents = Layers(roots[0], roots[1], found).contents(tree)
        packed = pack(head, contents, out, finder)
    finally:
        for root in roots:
            os.close(root)
    assert isinstance(out.archive, BytesIO)
    archive = out.archive.getvalue()
    # It is what an import of it would make, to the last byte.
    assert repacked(archive).packed == packed
    unpacked(archive, tmp_path / "result")
    return read(tmp_path / "result")


def base() -> Trees:
    with tempfile.TemporaryDirectory() as directory:
        unpacked(repacked(BASE).archive, Path(directory) / "root")
        return read(Path(directory) / "root")


def test_no_change_is_the_same_version(tmp_path: Path) -> None:
    assert captured(tmp_path, lambda _: None) == base()


def test_what_is_new_changed_and_gone(tmp_path: Path) -> None:
    def change(upper: Path) -> None:
        (upper / "new").write_bytes(b"new")
        (upper / "changed").write_bytes(b"after!")
        whiteout(upper / "gone")
        (upper / "d").mkdir()
        (upper / "d" / "more").write_bytes(b"more")
        (upper / "program").write_bytes(b"#!/bin/sh\n")
        (upper / "program").chmod(0o4755)

    expected = base()
    del expected["gone"]
    expected |= {
        "new": Leaf(data=b"new"), "changed": Leaf(data=b"after!"), "d/more": Leaf(data=b"more"),
        "program": Leaf(data=b"#!/bin/sh\n", executable=True),
    }  # fmt: skip
    assert captured(tmp_path, change) == expected
    assert int((tmp_path / "result" / "kept").stat().st_mtime) == 111
    assert (tmp_path / "result" / "program").stat().st_mode & 0o7777 == 0o755


def test_a_directory_that_is_gone_takes_all_in_it(tmp_path: Path) -> None:
    found = captured(tmp_path, lambda upper: whiteout(upper / "d"))
    assert set(found) == {"kept", "gone", "changed", "link", "program"}


def test_an_opaque_directory_hides_what_was_below(tmp_path: Path) -> None:
    def change(upper: Path) -> None:
        opaque(upper / "d")
        (upper / "d" / "deep").mkdir()
        (upper / "d" / "deep" / "new").write_bytes(b"new")

    found = captured(tmp_path, change)
    assert {path for path in found if path.startswith("d")} == {"d", "d/deep", "d/deep/new"}


def test_an_opaque_directory_far_below(tmp_path: Path) -> None:
    found = captured(tmp_path, lambda upper: opaque(upper / "d" / "deep"))
    assert {path for path in found if path.startswith("d")} == {"d", "d/c", "d/deep"}


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_stands_where_a_directory_stood(tmp_path: Path, kind: str) -> None:
    def change(upper: Path) -> None:
        if kind == "file":
            (upper / "d").write_bytes(b"now a file")
        else:
            (upper / "d").symlink_to("kept")

    found = captured(tmp_path, change)
    assert {path for path in found if path.startswith("d")} == {"d"}
    assert found["d"] == (Leaf(data=b"now a file") if kind == "file" else Leaf(target="kept"))


def test_a_directory_where_a_file_stood(tmp_path: Path) -> None:
    def change(upper: Path) -> None:
        opaque(upper / "kept")
        (upper / "kept" / "inside").write_bytes(b"inside")

    found = captured(tmp_path, change)
    assert (found["kept"], found["kept/inside"]) == (None, Leaf(data=b"inside"))


def test_what_its_owner_closed_is_taken_all_the_same(tmp_path: Path) -> None:
    def change(upper: Path) -> None:
        (upper / "shut").mkdir()
        (upper / "shut" / "file").write_bytes(b"shut")
        (upper / "shut" / "file").chmod(0)
        (upper / "shut").chmod(0)

    assert captured(tmp_path, change)["shut/file"] == Leaf(data=b"shut")


def test_checkouts_are_left_out(tmp_path: Path) -> None:
    def change(upper: Path) -> None:
        (upper / "repository" / ".git").mkdir(parents=True)
        (upper / "repository" / "file").write_bytes(b"")
        (upper / "d" / "repository").mkdir(parents=True)

    found = captured(tmp_path, change, left_out=("repository",))
    assert set(found) - set(base()) == {"d/repository"}


HOSTILE: dict[str, tuple[Rule, Callable[[Path], object]]] = {
    "a fifo": (Rule.SPECIAL, lambda upper: os.mkfifo(upper / "pipe")),
    "a socket": (Rule.SPECIAL, lambda upper: socket.socket(socket.AF_UNIX).bind(str(upper / "s"))),
    "a link that is absolute": (Rule.LINK_ABSOLUTE, lambda upper: (upper / "l").symlink_to("/etc/passwd")),
    "a link that leads out": (Rule.LINK_OUTWARD, lambda upper: (upper / "l").symlink_to("../x")),
    "a control character": (Rule.CONTROL, lambda upper: (upper / "a\x1bb").write_bytes(b"")),
    "a name that is not UTF-8": (Rule.ENCODING, lambda upper: (upper / os.fsdecode(b"\xff")).write_bytes(b"")),
    "a nest deeper than any walk": (Rule.DEEP, lambda upper: nest(upper, 700)),
    "twins": (Rule.TWIN, lambda upper: [(upper / name).write_bytes(b"") for name in ("caf\u00e9", "cafe\u0301")]),
}


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize(("rule", "change"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_an_import_refuses_is_refused(tmp_path: Path, rule: Rule, change: Callable[[Path], object]) -> None:
    with pytest.raises(Refused) as refused:
        captured(tmp_path, change)
    assert refused.value.rule is rule


@pytest.mark.parametrize("at", [0, 10, (1 << 18) - 3, 1 << 18, 700_000])
def test_a_secret_in_a_changed_file_withholds_all(tmp_path: Path, at: int) -> None:
    secret = Secret(name="token", value=b"s3cr3t-value")
    with pytest.raises(Refused, match="it holds the value of token") as refused:
        captured(
            tmp_path,
            lambda upper: (upper / "log").write_bytes(bytes(at) + b"s3cr3t-value" + bytes(5)),
            secrets=(secret,),
        )
    assert (refused.value.rule, refused.value.entry) == (Rule.SECRET, "log")
    assert "s3cr3t" not in repr(secret)


NAMED: dict[str, Callable[[Path], object]] = {
    "file": lambda upper: (upper / "a s3cr3t-value").write_bytes(b"fine"),
    "directory": lambda upper: (upper / "d" / "s3cr3t-value").mkdir(parents=True),
    "path": lambda upper: ((upper / "s3cr3t").mkdir(), (upper / "s3cr3t" / "-value").write_bytes(b"fine")),
    "link": lambda upper: (upper / "link").symlink_to("s3cr3t-value"),
    "fifo": lambda upper: os.mkfifo(upper / "s3cr3t-value"),
    "bytes": lambda upper: Path(os.fsdecode(os.fsencode(upper) + b"/\xff s3cr3t-value")).write_bytes(b"s3cr3t-value"),
}


@pytest.mark.parametrize("change", NAMED.values(), ids=NAMED.keys())
def test_a_secret_in_a_name_withholds_all_and_the_name_is_not_told(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    secrets = (Secret(name="token", value=b"s3cr3t-value"), Secret(name="token", value=b"s3cr3t/-value"))
    with pytest.raises(Refused, match="the name of an entry holds the value of token") as refused:
        captured(tmp_path, change, secrets=secrets)
    assert "s3cr3t" not in f"{refused.value} {refused.value.facts}"


def test_a_secret_that_is_nowhere_withholds_nothing(tmp_path: Path) -> None:
    secret = Secret(name="token", value=b"s3cr3t-value")
    # Half in one file, half in the next, is in neither.
    found = captured(
        tmp_path, lambda upper: [(upper / "x1").write_bytes(b"s3cr3t"), (upper / "x2").write_bytes(b"-value")],
        secrets=(secret,),
    )  # fmt: skip
    assert "x1" in found


def test_a_damaged_lower_layer_is_found(tmp_path: Path) -> None:
    def change(upper: Path) -> None:
        (upper.parent / "lower" / "kept").write_bytes(b"KEPT")

    with pytest.raises(Damaged, match="kept is not what its version says"):
        captured(tmp_path, change)
