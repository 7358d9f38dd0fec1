"""Keys of other people's buckets: which of them an import may name."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from mooring.app import App
from mooring.base.errors import MooringError, Unavailable, Unfit
from mooring.files.blobs import objects
from mooring.files.blobs.base import fetchable
from mooring.files.blobs.s3 import S3Settings, in_bucket
from surfaces.files import Work
from surfaces.people import Asker

# Its list has no type information.
_obstore: Any = obstore

REFUSED = [
    "/lead", "trail/", "/", "//", "a//b", "../x", "a/..", ".", "..", "a/./b", "a\nb", "a\tb", "a\x00b", "a\x7fb",
]  # fmt: skip
TAKEN = [
    "a", "made by/others \u00fc.tar.gz", "...", ".a/b..", "a\\b", "a%2Fb", "a%", "a?b#c&d+e", "~", " ", "a\x80b",
    "a\u2028b", "e\u0301", "\U0001f680",
]  # fmt: skip


def in_store(key: str) -> str | None:
    """The key under which obstore keeps what it is given under this one; None when it cannot."""
    store = MemoryStore()
    try:
        obstore.put(store, key, b"x")
    except ValueError:
        return None
    found = _obstore.list(store).collect()
    return found[0]["path"] if found else None


@pytest.mark.parametrize("key", TAKEN)
def test_a_key_that_obstore_keeps_as_it_is_can_be_fetched(key: str) -> None:
    assert (fetchable(key), in_store(key)) == (key, key)


@pytest.mark.parametrize("key", REFUSED)
def test_a_key_that_obstore_has_not_or_has_as_another_cannot(key: str) -> None:
    assert in_store(key) != key
    with pytest.raises(Unfit) as refused:
        fetchable(key, field="source.key")
    assert refused.value.facts == {"field": "source.key"}


@pytest.mark.parametrize("key", REFUSED)
def test_no_bucket_is_asked_for_it(key: str) -> None:
    """Else `/lead` would be answered with what lies under `lead`."""
    with pytest.raises(Unfit, match="cannot be fetched"):
        in_bucket(S3Settings(bucket="theirs")).fetch(key)


@pytest.mark.parametrize("key", REFUSED)
async def test_it_is_refused_when_it_is_written(admin: Asker, key: str) -> None:
    source = {"kind": "s3", "bucket": "theirs", "key": key}
    refused = await admin.ask("POST", "/filesystems", {"name": "f", "source": source})
    assert (refused.status_code, refused.json()["details"]) == (422, {"field": "source.key"})
    assert refused.json()["reason"].startswith("source.key: ")
    filesystem = await admin.made("/filesystems", {"name": "f"})
    body = {"source": source, "parent_version_id": None}
    assert (await admin.ask("POST", f"{filesystem['href']}/versions", body)).status_code == 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A bucket that asks obstore for any key."""

    store: MemoryStore

    def fetch(self, key: str) -> AsyncIterator[bytes]:
        return objects.read(self.store, key, self._explain)

    def _explain(self, tried: str, error: Exception) -> MooringError:
        return Unavailable(f"cannot {tried}: {error}")


async def test_what_obstore_refuses_all_the_same_ends_the_import_with_a_reason(admin: Asker, app: App) -> None:
    buckets = {"theirs": Unchecked(store=MemoryStore())}
    work = Work(app=replace(app, depot=replace(app.depot, buckets=buckets)))
    source = {"kind": "s3", "bucket": "theirs", "key": "a"}
    filesystem = await admin.made("/filesystems", {"name": "f", "source": source})
    async with app.database.transaction() as tx:
        # As one was taken before it was looked at.
        await tx.script("""UPDATE filesystems SET source = jsonb_set(source, '{source,key}', '"a//b"')""")
    await work.imports()
    failed = (await admin.get(filesystem["href"])).json()
    assert (failed["phase"], failed["source"]) == ("failed", None)
    assert "cannot have a key 'a//b'" in failed["reason"]
