"""A manifest is read in bounded memory, whatever it unfolds to."""

import gzip
import tracemalloc

import pytest

from archives.hands import repacked
from archives.make import file, gz, tar
from mooring.files.archive import codec
from mooring.files.archive.manifest import Lines, read
from mooring.files.errors import Damaged

HEAD = b'{"manifest":1,"entries":400000,"uncompressed_size":0}\n'
LINE = b'{"path":"%s","type":"directory","mode":493}\n' % (b"d" * 100)


def test_what_unfolds_to_much_comes_little_by_little() -> None:
    packed = gzip.compress(HEAD + LINE * 400_000)
    assert len(packed) < 1 << 20, "one piece of what is read"
    tracemalloc.start()
    try:
        count = sum(len(some) for some in Lines().entries(packed))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (count, peak < 8 << 20) == (400_000, True), peak


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("isal", [True, False])
def test_it_is_the_same_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch, size: int, isal: bool) -> None:  # noqa: FBT001
    if not isal:
        monkeypatch.setattr(codec, "_codec", __import__("zlib"))
    ours = repacked(gz(tar(*(file(f"f{at}") for at in range(50)))))
    pieces = [ours.manifest[at : at + size] for at in range(0, len(ours.manifest), size)]
    assert [entry.path for entry in read(pieces)] == sorted(ours.entries)


@pytest.mark.parametrize("exactly", [256 << 10, 512 << 10, (256 << 10) + 1])
def test_it_may_end_where_a_piece_does(exactly: int) -> None:
    fill = (exactly - len(HEAD)) // len(LINE)
    text = HEAD + LINE * (fill - 1)
    text += LINE.replace(b"ddd", b"ddd" + b"d" * (exactly - len(text) - len(LINE)), 1)
    assert len(text) == exactly
    assert len(list(read([gzip.compress(text)]))) == fill


BROKEN = {
    "no gzip": b"hello" * 10,
    "a flipped byte": bytes(byte ^ (16 * (at == 300)) for at, byte in enumerate(gzip.compress(HEAD + LINE * 5, 0))),
    "no JSON": gzip.compress(b"hello\n"),
    "something else": gzip.compress(HEAD + b'{"a":1}\n'),
    "a line without an end": gzip.compress(HEAD + bytes(10 << 20)),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_read_is_damage(data: bytes) -> None:
    with pytest.raises(Damaged, match="the manifest"):
        list(read([data]))
