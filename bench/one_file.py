"""One file of 10 KB out of an archive of 300 MB in S3: by the API, against fetching the archive and unpacking it; how
many bytes each takes from the store. The store is a real S3 server over HTTP on loopback."""

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import boto3
import httpx
from report import median, tell
from stage.plane import API, Plane, control_plane, throw_away

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from blobs import servers
from blobs.servers import proxy

ROUNDS = 5
FILES, SMALL, LARGE = 3_000, 10_000, 1_500_000
BUCKET = "mooring-blobs"
KEYS = ("S3RVER", "S3RVER")


def archive(out: Path) -> None:
    """About 300 MB that do not shrink: 10 KB files between larger ones."""
    seed = random.Random(1)  # noqa: S311 - content, no secret
    with tempfile.TemporaryDirectory(dir=out.parent) as directory:
        for number in range(FILES):
            size = LARGE if number % 15 == 0 else SMALL
            (Path(directory) / f"f{number}").write_bytes(seed.randbytes(size))
        subprocess.run(["tar", "czf", out, "-C", directory, "."], check=True)


def push(http: httpx.Client, path: Path) -> str:
    """A filesystem made of it. Its id."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("rb") as file:
        http.put(f"/uploads/sha256:{digest}", content=file).raise_for_status()
    source = {"kind": "upload", "checksum": f"sha256:{digest}"}
    made = http.post("/filesystems", json={"name": "large", "source": source}).raise_for_status().json()
    while made["source"] is not None:
        time.sleep(0.2)
        made = http.get(f"/filesystems/{made['id']}").json()
    assert made["phase"] == "ready", made
    return str(made["id"])


def one(http: httpx.Client, filesystem: str, number: int) -> float:
    began = time.perf_counter()
    content = http.get(f"/filesystems/{filesystem}/content", params={"path": f"f{number}"}).content
    assert len(content) == SMALL
    return (time.perf_counter() - began) * 1000


def whole(url: str, key: str, where: Path, number: int) -> float:
    """Fetch the archive with a client of S3, unpack it, read the file."""
    client = cast("Any", boto3).client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=KEYS[0], aws_secret_access_key=KEYS[1]
    )
    with tempfile.TemporaryDirectory(dir=where) as directory:
        began = time.perf_counter()
        client.download_file(BUCKET, key, f"{directory}/archive.tar.gz")
        subprocess.run(["tar", "xzf", f"{directory}/archive.tar.gz", "-C", directory], check=True)
        assert len((Path(directory) / f"f{number}").read_bytes()) == SMALL
        return (time.perf_counter() - began) * 1000


def measure(plane: Plane, data: Path, between: servers.Proxy) -> None:
    headers = {"Authorization": f"Bearer {plane.token}"}
    with httpx.Client(base_url=plane.url + API, headers=headers, timeout=600) as http:
        archive(data / "in.tar.gz")
        filesystem = push(http, data / "in.tar.gz")
        held = http.get(f"/filesystems/{filesystem}").json()
        print(f"the archive has {held['archive_size'] / 1e6:.0f} MB")
        # The first look fetches the block table as well: it counts among the bytes.
        between.answered = 0
        numbers = [number for number in range(1, FILES, FILES // ROUNDS) if number % 15][:ROUNDS]
        mine = [one(http, filesystem, number) for number in numbers]
        fetched = between.answered / len(numbers)
        others = [whole(between.upstream, held["s3_archive_key"], data, number) for number in numbers[:3]]
    tell(
        "one 10 KB file of a 300 MB archive in S3",
        median(mine),
        "ms",
        compared_with="fetch and unpack",
        other=median(others),
    )
    share = fetched / 1e3
    tell("bytes fetched for it", share, "kB", compared_with="the archive", other=held["archive_size"] / 1e3)


def main() -> None:
    with throw_away() as data, servers.s3rver(servers.s3rver_program()) as url, proxy(url) as between:
        settings = {
            "s3_bucket": BUCKET, "s3_endpoint": between.url, "s3_style": "path",
            "s3_access_key_id": KEYS[0], "s3_secret_access_key": KEYS[1], "throw_away": "yes",
        }  # fmt: skip
        with control_plane(data, **settings) as plane:
            measure(plane, data, between)
    os.sync()


main()
