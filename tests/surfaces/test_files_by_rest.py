"""Filesystems by REST: sent, imported, browsed, read, compared, deleted."""

import gzip
import io
import json
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from archives import make
from archives.hands import repacked
from archives.hostile import PATHS
from blobs import servers
from blobs.conftest import put_object, s3_settings
from mooring.app import App
from mooring.base.db import Database
from mooring.files.blobs.s3 import in_bucket
from mooring.files.errors import Crashed
from repositories import repository
from surfaces.files import Work, checksum, events, imported, importing, made, pushed, upload, uploaded, want
from surfaces.people import Asker, join

BIG = os.urandom(700_000)
TREE = make.gz(
    make.tar(
        make.file("README", b"read me\n"),
        make.directory("src"),
        make.file("src/main.py", b"print('here')\n", mode=0o755),
        make.file("src/deep/er/data.bin", BIG),
        make.symlink("src/link", "../README"),
        make.file("\u00fcml\u00e4ut \U0001f680", b"unicode"),
        make.file("zeros", bytes(5 << 20)),
    )
)


@pytest.fixture
def work(app: App) -> Work:
    return Work(app=app)


async def listed(asker: Asker, filesystem: dict[str, Any], query: str = "") -> list[str]:
    answer = await asker.get(f"{filesystem['href']}/entries?{query}")
    assert answer.status_code == 200, answer.text
    return [entry["path"] for entry in answer.json()["items"]]


# --- how it comes to be ---


@pytest.mark.slow
async def test_what_is_sent_becomes_a_filesystem(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE, description="of tests")
    ours = repacked(TREE)
    assert (filesystem["phase"], filesystem["reason"], filesystem["source"]) == ("ready", None, None)
    assert filesystem["archive_checksum"] == f"sha256:{ours.packed.archive_sha256}"
    assert filesystem["archive_size"] == len(ours.archive)
    assert (filesystem["s3_archive_bucket"], filesystem["archive_type"]) == ("local", "tar.gz")
    assert filesystem["s3_archive_key"] == f"filesystems/{ours.packed.archive_sha256}.tar.gz"
    assert filesystem["uncompressed_size"] == ours.packed.uncompressed_size
    assert filesystem["uncompressed_size_mb"] == 6
    assert (filesystem["entry_count"], filesystem["current_version_number"]) == (9, 1)
    assert await events(admin, filesystem) == ["filesystem.create", "filesystem.import", "filesystem.ready"]
    [version] = (await admin.get(f"{filesystem['href']}/versions")).json()["items"]
    assert (version["number"], version["source"], version["parent_version_id"]) == (1, "upload", None)
    assert (version["given_checksum"], version["created_by_user_id"]) == (checksum(TREE), admin.id)
    assert (await admin.get(f"/filesystem_versions/{version['id']}")).json() == version


@pytest.mark.slow
async def test_sending_again_changes_nothing_and_what_was_sent_can_be_asked_for(admin: Asker) -> None:
    assert (await admin.get(f"/uploads/{checksum(TREE)}")).status_code == 404
    await upload(admin, TREE)
    await upload(admin, TREE)
    told = (await admin.get(f"/uploads/{checksum(TREE)}")).json()
    assert (told["checksum"], told["size"]) == (checksum(TREE), len(TREE))


async def test_what_is_not_what_it_should_be_is_not_kept(admin: Asker, app: App) -> None:
    answer = await admin.send("PUT", f"/uploads/{checksum(b'other')}", b"these", "application/octet-stream")
    assert (answer.status_code, checksum(b"these") in answer.json()["reason"]) == (422, True)
    assert (await admin.get(f"/uploads/{checksum(b'other')}")).status_code == 404
    assert [blob async for blob in app.blobs.list("uploads")] == []
    for wrong in ("sha256:00", "md5:" + "0" * 64, "sha256:" + "G" * 64):
        assert (await admin.send("PUT", f"/uploads/{wrong}", b"x", "application/octet-stream")).status_code == 422


async def test_an_upload_of_nothing_is_refused(admin: Asker, app: App) -> None:
    for named in (checksum(b""), checksum(TREE)):
        answer = await admin.ask("PUT", f"/uploads/{named}")
        assert (answer.status_code, "nothing was sent" in answer.json()["reason"]) == (422, True)
    assert [blob async for blob in app.blobs.list("uploads")] == []


async def test_nobody_uses_what_another_sent(admin: Asker) -> None:
    one, other = await join(admin, "one"), await join(admin, "other")
    named = await upload(one, TREE)
    assert (await other.get(f"/uploads/{named}")).status_code == 404
    answer = await other.ask("POST", "/filesystems", {"name": "mine now", "source": uploaded(named)})
    assert (answer.status_code, "PUT it to /uploads" in answer.json()["reason"]) == (422, True)


async def test_an_auditor_sends_nothing(admin: Asker) -> None:
    auditor = await join(admin, "auditor", role="auditor")
    answer = await auditor.send("PUT", f"/uploads/{checksum(b'x')}", b"x", "application/octet-stream")
    assert answer.status_code == 403


@pytest.mark.slow
async def test_a_failed_filesystem_takes_another_archive(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, PATHS["a name that goes up"].data)
    after = await pushed(admin, work, filesystem, TREE)
    assert (after["phase"], after["reason"], after["current_version_number"]) == ("ready", None, 1)


@pytest.mark.slow
async def test_what_was_said_of_the_archive_must_be_so(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE, archive_type="zip")
    assert filesystem["reason"] == "the archive is refused (format): it is a tar.gz, not a zip as was said"
    odd = await made(admin, work, make.gz(make.tar(make.file("CON"))), name="odd", portable_names=True)
    assert "(portable)" in odd["reason"]


@pytest.fixture
def reachable() -> Generator[Path]:
    """A directory that the user of runs can reach."""
    directory = Path(tempfile.mkdtemp(prefix="mooring-files-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    rmtree(directory)


@pytest.mark.slow
async def test_a_commit_becomes_a_filesystem(admin: Asker, app: App, reachable: Path) -> None:
    # git runs as that user, and its mirrors lie in the data directory, which pytest keeps to itself.
    mirrors = replace(app.mirrors, directory=reachable / "mirrors")
    work = Work(app=replace(app, depot=replace(app.depot, mirrors=mirrors)))
    url = repository(reachable / "r", {"a": "1", "sub/b": "2", "sub/c/d": "3"})
    filesystem = await admin.made("/filesystems", {"name": "all", "source": {"kind": "git", "repo_url": url}})
    part = await admin.made("/filesystems", {"name": "part", "source": {"kind": "git", "repo_url": f"{url}#main:sub"}})
    gone = await admin.made("/filesystems", {"name": "gone", "source": {"kind": "git", "repo_url": f"{url}#nowhere"}})
    none = await admin.made("/filesystems", {"name": "none", "source": {"kind": "git", "repo_url": f"{url}#main:no"}})
    await work.imports()
    assert await listed(admin, filesystem, "recursive=true") == ["a", "sub", "sub/b", "sub/c", "sub/c/d"]
    assert await listed(admin, part, "recursive=true") == ["b", "c", "c/d"]
    [version] = (await admin.get(f"{part['href']}/versions")).json()["items"]
    assert (version["source"], version["given_checksum"]) == ("import", None)
    assert "no branch, tag or commit 'nowhere'" in (await admin.get(gone["href"])).json()["reason"]
    assert "has no directory 'no'" in (await admin.get(none["href"])).json()["reason"]


async def test_a_bucket_that_was_not_set_up_is_refused(admin: Asker, work: Work) -> None:
    source = {"kind": "s3", "bucket": "secret-bucket", "key": "a.tar.gz"}
    filesystem = await admin.made("/filesystems", {"name": "f", "source": source})
    await work.imports()
    after = (await admin.get(filesystem["href"])).json()
    assert (after["phase"], "MOORING_S3_IMPORT_BUCKETS" in after["reason"]) == ("failed", True)


@pytest.mark.slow
async def test_an_object_of_a_bucket_becomes_a_filesystem(admin: Asker, app: App) -> None:
    with servers.moto() as url:
        put_object(url, "theirs", "made by/others \u00fc.tar.gz", TREE)
        buckets = {"theirs": in_bucket(s3_settings(url, bucket="theirs"))}
        work = Work(app=replace(app, depot=replace(app.depot, buckets=buckets)))
        source = {"kind": "s3", "bucket": "theirs", "key": "made by/others \u00fc.tar.gz"}
        good = await admin.made("/filesystems", {"name": "good", "source": {**source, "checksum": checksum(TREE)}})
        free = await admin.made("/filesystems", {"name": "free", "source": source})
        wrong = await admin.made("/filesystems", {"name": "wrong", "source": {**source, "checksum": checksum(b"")}})
        none = await admin.made("/filesystems", {"name": "none", "source": {**source, "key": "nothing"}})
        await work.imports()
    for filesystem in (good, free):
        [version] = (await admin.get(f"{filesystem['href']}/versions")).json()["items"]
        assert (version["source"], version["given_checksum"]) == ("import", checksum(TREE))
        assert version["s3_archive_bucket"] == "local", "what is used is kept with us"
    assert f"has the checksum {checksum(TREE)}, not" in (await admin.get(wrong["href"])).json()["reason"]
    assert "has no nothing" in (await admin.get(none["href"])).json()["reason"]


BAD = [
    ({"name": "f", "source": {"kind": "upload", "checksum": "sha256:x"}}, 400),
    ({"name": "f", "source": {"kind": "upload", "checksum": checksum(b"never sent")}}, 422),
    ({"name": "f", "source": {"kind": "ftp"}}, 400),
    ({"name": "f", "source": {"kind": "git", "repo_url": "ftp://x"}}, 422),
    ({"name": "f", "source": {"kind": "s3", "bucket": "b"}}, 400),
    ({"name": "f", "archive_type": "rar"}, 400),
    ({"name": "f", "phase": "ready"}, 400),
    ({"name": ""}, 400),
]


@pytest.mark.parametrize(("body", "status"), BAD, ids=range(len(BAD)))
async def test_what_cannot_be_meant_is_refused(admin: Asker, body: dict[str, object], status: int) -> None:
    assert (await admin.ask("POST", "/filesystems", body)).status_code == status


# --- versions ---


@pytest.mark.slow
async def test_a_push_makes_a_version_and_the_older_ones_stay(admin: Asker, work: Work) -> None:
    first = await made(admin, work, TREE)
    second = await pushed(admin, work, first, make.gz(make.tar(make.file("README", b"new"))))
    assert (second["current_version_number"], second["entry_count"]) == (2, 1)
    assert await listed(admin, second) == ["README"]
    assert len(await listed(admin, second, "version=1&recursive=true")) == 9
    assert await listed(admin, second, f"version={first['current_version_id']}") == await listed(
        admin, second, "version=v1"
    )
    newest, oldest = (await admin.get(f"{second['href']}/versions")).json()["items"]
    assert (newest["parent_version_id"], oldest["number"]) == (oldest["id"], 1)


@pytest.mark.slow
async def test_two_pushes_from_one_parent_are_one_version_and_one_clash_that_names_both(
    admin: Asker, work: Work
) -> None:
    first = await made(admin, work, TREE)
    other = make.gz(make.tar(make.file("other")))
    sent = await upload(admin, make.gz(make.tar(make.file("one"))))
    one = await want(admin, first, uploaded(sent))
    assert one.status_code == 200
    at_once = await want(admin, first, uploaded(await upload(admin, other)))
    told, parent = at_once.json(), first["current_version_id"]
    assert at_once.status_code == 409
    assert told["reason"] == (
        f"another version is on its way, from the upload {sent}, made from {parent}, wanted by {admin.id}; refused is "
        f"the one from the upload {checksum(other)}, made from {parent}: wait for the other, then pull it and decide "
        "anew"
    )
    both = [told["details"][one]["source"]["checksum"] for one in ("coming", "refused")]
    assert both == [sent, checksum(other)]
    await work.imports()
    late = await want(admin, first, uploaded(await upload(admin, other)))
    now = (await admin.get(first["href"])).json()
    assert late.status_code == 409
    assert late.json()["details"] == {
        "parent_version_id": first["current_version_id"],
        "current_version_id": now["current_version_id"],
    }
    assert late.json()["details"]["current_version_id"] in late.json()["reason"]
    assert await listed(admin, now) == ["one"]


@pytest.mark.slow
async def test_a_push_that_is_refused_leaves_the_current_version(admin: Asker, work: Work) -> None:
    first = await made(admin, work, TREE)
    after = await pushed(admin, work, first, PATHS["a name that goes up"].data)
    assert (after["phase"], after["current_version_id"]) == ("ready", first["current_version_id"])
    assert "(traversal)" in after["reason"]
    assert await listed(admin, after) == await listed(admin, first)


@pytest.mark.slow
async def test_who_may_not_change_it_pushes_nothing(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE)
    group = await admin.made("/groups", {"name": "readers"})
    reader = await join(admin, "reader")
    assert (await want(reader, filesystem, {"kind": "git", "repo_url": "https://example.org/r"})).status_code == 404
    assert (await admin.ask("PUT", f"{group['href']}/members/{reader.id}", {"role": "viewer"})).status_code < 300
    assert (await admin.ask("PUT", f"{group['href']}/available_filesystems/{filesystem['id']}")).status_code < 300
    assert (await reader.get(filesystem["href"])).status_code == 200
    assert (await reader.get(f"{filesystem['href']}/content?path=README")).content == b"read me\n"
    assert (await want(reader, filesystem, {"kind": "git", "repo_url": "https://example.org/r"})).status_code == 403
    assert (await reader.ask("DELETE", filesystem["href"])).status_code == 403


# --- what lies in it ---


@pytest.mark.slow
async def test_directories_are_browsed_page_by_page(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE)
    assert await listed(admin, filesystem) == ["README", "src", "zeros", "\u00fcml\u00e4ut \U0001f680"]
    assert await listed(admin, filesystem, "path=src") == ["src/deep", "src/link", "src/main.py"]
    assert await listed(admin, filesystem, "path=/src/deep/&recursive=true") == ["src/deep/er", "src/deep/er/data.bin"]
    for query in ("", "recursive=true", "search=e"):
        found, after = list[str](), ""
        while after is not None:
            page = (await admin.get(f"{filesystem['href']}/entries?size=2&{query}{after}")).json()
            assert len(page["items"]) <= 2
            found += [entry["path"] for entry in page["items"]]
            after = None if page["next"] is None else f"&after={page['next']}"
        assert found == await listed(admin, filesystem, query)
    [entry] = [
        e for e in (await admin.get(f"{filesystem['href']}/entries?path=src")).json()["items"] if e["name"] == "main.py"
    ]
    assert (entry["type"], entry["size"], entry["mode"], entry["mtime"]) == ("file", 14, 0o755, 1_700_000_000)
    assert entry["sha256"] == checksum(b"print('here')\n").removeprefix("sha256:")


@pytest.mark.slow
async def test_paths_are_searched_in_any_case(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE)
    assert await listed(admin, filesystem, "search=MAIN.py") == ["src/main.py"]
    assert await listed(admin, filesystem, "search=src/d") == ["src/deep", "src/deep/er", "src/deep/er/data.bin"]
    assert await listed(admin, filesystem, "search=data&path=src/deep") == ["src/deep/er/data.bin"]
    assert await listed(admin, filesystem, "search=%25") == []
    assert await listed(admin, filesystem, "search=\u00dcML\u00c4UT") == ["\u00fcml\u00e4ut \U0001f680"]


WRONG = [
    ("entries?path=nowhere", 404), ("entries?path=README", 422), ("entries?after=x", 400), ("entries?size=0", 400),
    ("entries?path=a%00", 422), ("entries?search=%00", 422), ("entries?version=9", 404), ("entries?version=fsv_x", 404),
    ("entries?sort=up", 400), ("content?path=nowhere", 404), ("content?path=src", 422), ("content?path=src/link", 422),
    ("content", 400), ("diff?from=7", 404), ("diff", 400), ("archive?format=rar", 400), ("manifest?version=2", 404),
]  # fmt: skip


@pytest.mark.slow
async def test_what_is_not_there_is_said_by_name(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE)
    for path, status in WRONG:
        answer = await admin.get(f"{filesystem['href']}/{path}")
        assert (path, answer.status_code, answer.json()["kind"]) == (path, status, "Error")


@pytest.mark.slow
async def test_a_file_is_read_whole_and_by_range(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE)
    where = f"{filesystem['href']}/content?path=src/deep/er/data.bin"
    whole = await admin.get(where)
    assert (whole.status_code, whole.content) == (200, BIG)
    assert whole.headers["ETag"] == f'"{checksum(BIG).removeprefix("sha256:")}"'
    assert (whole.headers["Content-Disposition"], whole.headers["X-Content-Type-Options"]) == ("attachment", "nosniff")
    for asked, start, end in (
        ("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), ("bytes=699999-", 699_999, 700_000),
        ("bytes=-5", 699_995, 700_000),
        ("bytes=262140-262150", 262_140, 262_151), ("bytes=0-99999999", 0, 700_000),
        ("bytes=-99999999", 0, 700_000),
    ):  # fmt: skip
        part = await admin.get(where, Range=asked)
        assert (part.status_code, part.content) == (206, BIG[start:end])
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/700000"
    for asked in ("bytes=700000-", "bytes=-0"):
        refused = await admin.get(where, Range=asked)
        assert (refused.status_code, refused.headers["Content-Range"]) == (416, "bytes */700000")
    for asked in ("lines=1-2", "bytes=5-1", "bytes=1-2,4-5"):
        assert (await admin.get(where, Range=asked)).content == BIG


@pytest.mark.slow
async def test_a_range_of_what_is_not_there_any_more_is_all_that_is_there_now(admin: Asker, work: Work) -> None:
    first = await made(admin, work, TREE)
    where = f"{first['href']}/content?path=README"
    mark = (await admin.get(where)).headers["ETag"]
    part = await admin.get(where, Range="bytes=5-", If_Range=mark)
    assert (part.status_code, part.content) == (206, b"me\n")
    await pushed(admin, work, first, make.gz(make.tar(make.file("README", b"new"))))
    # No range of ours would be asked for by a date; a weak mark says that the bytes may differ (RFC 9110, 13.1.5).
    for other in (mark, "Sat, 29 Oct 1994 19:43:31 GMT", f"W/{(await admin.get(where)).headers['ETag']}"):
        whole = await admin.get(where, Range="bytes=5-", If_Range=other)
        assert (whole.status_code, whole.content) == (200, b"new")


@pytest.mark.slow
async def test_the_manifest_and_the_archive_are_given_as_they_are_stored(admin: Asker, work: Work) -> None:
    filesystem, ours = await made(admin, work, TREE), repacked(TREE)
    assert (await admin.get(f"{filesystem['href']}/archive")).content == ours.archive
    lines = (await admin.get(f"{filesystem['href']}/manifest")).content
    assert lines == gzip.decompress(ours.manifest)
    assert (await admin.get(f"{filesystem['href']}/manifest", Accept_Encoding="identity")).content == lines
    head, *rest = [json.loads(line) for line in lines.splitlines()]
    assert head == {"manifest": 1, "entries": 9, "uncompressed_size": ours.packed.uncompressed_size}
    with tarfile.open(fileobj=io.BytesIO(ours.archive)) as opened:
        assert [entry["path"] for entry in rest] == opened.getnames()


@pytest.mark.slow
async def test_the_archive_is_given_as_a_zip_that_says_the_same(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE)
    data = (await admin.get(f"{filesystem['href']}/archive?format=zip")).content
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        assert opened.read("src/deep/er/data.bin") == BIG
        assert opened.read("zeros") == bytes(5 << 20)
        assert opened.read("\u00fcml\u00e4ut \U0001f680") == b"unicode"
    again, ours = repacked(data), repacked(TREE)
    assert {path: (e.type, e.mode, e.sha256, e.target) for path, e in again.entries.items()} == {
        path: (e.type, e.mode, e.sha256, e.target) for path, e in ours.entries.items()
    }


@pytest.mark.slow
async def test_two_versions_are_compared_by_content(admin: Asker, work: Work) -> None:
    first = await made(admin, work, make.gz(make.tar(
        make.file("same", b"s", mtime=1), make.file("content", b"1"), make.file("mode", b"m"), make.file("gone", b"g"),
        make.symlink("link", "a"), make.file("kind", b"k"), make.file("d/x", b"x"),
    )))  # fmt: skip
    second = await pushed(admin, work, first, make.gz(make.tar(
        make.file("same", b"s", mtime=2), make.file("content", b"2"), make.file("mode", b"m", mode=0o755),
        make.file("new", b"n"), make.symlink("link", "b"), make.directory("kind"), make.file("d/y", b"x"),
    )))  # fmt: skip
    diff = (await admin.get(f"{second['href']}/diff?from=1")).json()
    assert (diff["from_version_id"], diff["to_version_id"]) == (
        first["current_version_id"],
        second["current_version_id"],
    )
    assert {item["path"]: item["change"] for item in diff["items"]} == {
        "content": "changed", "gone": "removed", "kind": "changed", "link": "changed", "mode": "changed",
        "new": "added", "d/x": "removed", "d/y": "added",
    }  # fmt: skip
    link = next(item for item in diff["items"] if item["path"] == "link")
    assert (link["before"]["target"], link["after"]["target"]) == ("a", "b")
    page = (await admin.get(f"{second['href']}/diff?from=1&size=3")).json()
    rest = (await admin.get(f"{second['href']}/diff?from=1&after={page['next']}")).json()
    assert page["items"] + rest["items"] == diff["items"]
    assert (await admin.get(f"{second['href']}/diff?from=2")).json()["items"] == []


@pytest.mark.slow
async def test_a_worker_that_crashes_once_delays_the_import_and_no_more(
    admin: Asker, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    filesystem = await admin.made("/filesystems", {"name": "f", "source": uploaded(await upload(admin, TREE))})
    await work.step(filesystem["id"])
    with monkeypatch.context() as broken:
        broken.setattr("sys.executable", "/bin/false")
        with pytest.raises(Crashed, match="the worker on archives ended with 1"):
            await work.step(filesystem["id"])
    assert (await admin.get(filesystem["href"])).json()["phase"] == "importing"
    await work.imports()
    assert (await admin.get(filesystem["href"])).json()["phase"] == "ready"
    assert (await events(admin, filesystem))[2:] == ["filesystem.ready"]


@pytest.mark.slow
async def test_a_worker_that_always_crashes_fails_the_import(
    admin: Asker, work: Work, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    filesystem = await admin.made("/filesystems", {"name": "f", "source": uploaded(await upload(admin, TREE))})
    await work.step(filesystem["id"])
    await broke_already(app, filesystem, 5)
    with monkeypatch.context() as broken:
        broken.setattr("sys.executable", "/bin/false")
        async with importing(app):
            await imported(app)
    failed = (await admin.get(filesystem["href"])).json()
    assert (failed["phase"], failed["source"]) == ("failed", None)
    assert "given up, it broke 6 times: the worker on archives ended with 1;" in failed["reason"]
    assert (await pushed(admin, work, failed, TREE))["phase"] == "ready"


async def broke_already(app: App, filesystem: dict[str, Any], times: int) -> None:
    """As if the import had broken so often."""
    async with app.database.transaction() as tx:
        lease = "INSERT INTO leases (loop, resource_id, failures) VALUES ('filesystem-imports', $1, $2)"
        await tx.run(lease, filesystem["id"], times)


@pytest.mark.slow
async def test_an_import_that_breaks_again_and_again_fails_with_a_reason(
    admin: Asker, work: Work, app: App, owner: Database
) -> None:
    filesystem = await admin.made("/filesystems", {"name": "f", "source": uploaded(await upload(admin, TREE))})
    await work.step(filesystem["id"])
    await broke_already(app, filesystem, 5)
    async with owner.transaction() as tx:
        await tx.script("REVOKE INSERT ON filesystem_entries FROM mooring")
    try:
        async with importing(app):
            await imported(app)
    finally:
        async with owner.transaction() as tx:
            await tx.script("GRANT INSERT ON filesystem_entries TO mooring")
    failed = (await admin.get(filesystem["href"])).json()
    assert (failed["phase"], failed["source"], failed["current_version_id"]) == ("failed", None, None)
    assert "given up, it broke 6 times: InsufficientPrivilegeError" in failed["reason"]
    assert (await events(admin, filesystem))[2:] == ["filesystem.fail"]
    assert (await pushed(admin, work, failed, TREE))["phase"] == "ready"


# --- the end ---


@pytest.mark.slow
async def test_a_deleted_filesystem_is_gone_and_its_bytes_go_after_the_grace(
    admin: Asker, work: Work, app: App
) -> None:
    kept = await made(admin, work, TREE, name="kept")
    filesystem = await pushed(
        admin, work, await made(admin, work, TREE, name="same bytes"), make.gz(make.tar(make.file("only")))
    )
    await work.sweep()
    before = {blob.key async for blob in app.blobs.list("filesystems")}
    assert [blob async for blob in app.blobs.list("uploads")] == [], "what was imported is no longer needed"
    answer = await admin.ask("DELETE", filesystem["href"], If_Match=f'"{filesystem["version"]}"')
    assert answer.status_code == 204
    assert (await admin.get(filesystem["href"])).status_code == 404
    assert (await admin.get(f"/filesystem_versions/{filesystem['current_version_id']}")).status_code == 404
    assert await work.sweep() == 0, "not before its time"
    async with app.database.transaction() as tx:
        await tx.script("UPDATE filesystem_blobs SET due = now() - interval '1 s' WHERE due IS NOT NULL")
        await tx.script("UPDATE filesystem_manifests SET due = now() - interval '1 s' WHERE due IS NOT NULL")
    assert await work.sweep() == 3
    gone = before - {blob.key async for blob in app.blobs.list("filesystems")}
    assert len(gone) == 3
    assert (await admin.get(f"{kept['href']}/content?path=README")).content == b"read me\n"
    async with app.database.reading() as tx:
        assert await tx.value(int, "SELECT count(*) FROM filesystem_entries") == 9
        assert await tx.values(str, "SELECT version_id FROM filesystem_paths") == [kept["current_version_id"]]


@pytest.mark.slow
async def test_what_an_instance_uses_is_not_deleted(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE)
    group = await admin.made("/groups", {"name": "team"})
    await admin.ask("PUT", f"{group['href']}/available_filesystems/{filesystem['id']}")
    instance = await admin.made(
        "/compute_instances", {"name": "ci", "group_id": group["id"], "filesystem_id": filesystem["id"]}
    )
    answer = await admin.ask("DELETE", filesystem["href"])
    assert (answer.status_code, instance["id"] in answer.json()["details"]["used_by"]) == (409, True)


async def test_a_revoked_grant_hinders_no_change_of_an_instance_but_one_of_its_files(admin: Asker) -> None:
    filesystem = await admin.made("/filesystems", {"name": "files"})
    group, other = await admin.made("/groups", {"name": "team"}), await admin.made("/groups", {"name": "others"})
    granted = f"{group['href']}/available_filesystems/{filesystem['id']}"
    await admin.ask("PUT", granted)
    instance = await admin.made(
        "/compute_instances", {"name": "ci", "group_id": group["id"], "filesystem_id": filesystem["id"]}
    )
    await admin.ask("DELETE", granted)
    for patch in ({"description": "old", "cpus": 2}, {"environment": {"A": "1"}}, {"filesystem_id": filesystem["id"]}):
        changed = await admin.ask("PATCH", instance["href"], patch)
        assert changed.status_code == 200, changed.text
    workflow = await admin.made(
        "/workflows", {"name": "w", "agent_id": (await admin.made("/agents", {"name": "a"}))["id"]}
    )
    session = await admin.made(
        "/sessions", {"workflow_id": workflow["id"], "compute_instance_id": instance["id"], "prompt": "true"}
    )
    refused = await admin.ask("POST", f"{session['href']}/start")
    assert (refused.status_code, "was not granted" in refused.json()["reason"]) == (422, True)
    assert (await admin.ask("PATCH", instance["href"], {"group_id": other["id"]})).status_code == 422
    assert (await admin.ask("PATCH", instance["href"], {"filesystem_id": None})).status_code == 200
    assert (await admin.ask("PATCH", instance["href"], {"filesystem_id": filesystem["id"]})).status_code == 422
    assert (await admin.ask("PATCH", instance["href"], {"group_id": other["id"]})).status_code == 200


@pytest.mark.slow
async def test_a_filesystem_that_is_deleted_while_it_is_imported_stays_gone(admin: Asker, work: Work, app: App) -> None:
    filesystem = await admin.made("/filesystems", {"name": "f", "source": uploaded(await upload(admin, TREE))})
    await work.step(filesystem["id"])
    applied = await work.loops.step(filesystem["id"])
    assert (await admin.ask("DELETE", filesystem["href"])).status_code == 204
    assert applied.write is not None
    async with app.database.transaction() as tx:
        await applied.write(tx)
    assert (await admin.get(filesystem["href"])).status_code == 404


@pytest.mark.slow
async def test_bytes_that_are_just_being_removed_are_not_relied_on(admin: Asker, work: Work, app: App) -> None:
    await made(admin, work, TREE)
    async with app.database.transaction() as tx:
        await tx.script("UPDATE filesystem_versions SET deleted_at = now()")
        await tx.script("UPDATE filesystem_blobs SET due = now(), taken = TRUE WHERE key LIKE 'filesystems/%.tar.gz'")
    other = await admin.made("/filesystems", {"name": "other", "source": uploaded(await upload(admin, TREE))})
    await work.step(other["id"])
    await work.step(other["id"])
    waiting = (await admin.get(other["href"])).json()
    assert (waiting["phase"], "being removed" in waiting["reason"]) == ("importing", True)
    assert await work.sweep() >= 1
    await work.imports()
    ready = (await admin.get(other["href"])).json()
    assert (ready["phase"], ready["reason"]) == ("ready", None)
    assert (await admin.get(f"{ready['href']}/content?path=README")).content == b"read me\n"
