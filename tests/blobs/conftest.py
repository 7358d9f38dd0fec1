"""Every blob store there is, to hold to one contract."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pytest

from blobs import servers
from mooring.files.blobs.base import BlobStore
from mooring.files.blobs.local import in_directory
from mooring.files.blobs.s3 import S3Settings, in_bucket

BUCKET = "mooring-blobs"
# What s3rver takes for a key; moto takes any.
KEYS = ("S3RVER", "S3RVER")


@pytest.fixture(scope="session")
def moto_url() -> Generator[str]:
    """A moto server with a bucket."""
    with servers.moto() as url:
        put_object(url, BUCKET, "made", b"")
        yield url


def put_object(url: str, bucket: str, key: str, data: bytes) -> None:
    """A bucket with an object in it, as others would put it there."""
    client = cast("Any", boto3).client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
    )
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key=key, Body=data)
    client.close()


@pytest.fixture(scope="session")
def s3rver_url() -> Generator[str]:
    """An s3rver with a bucket; where it cannot be installed this part is reported as not run."""
    try:
        program = servers.s3rver_program()
    except OSError as error:
        pytest.skip(f"s3rver is not there: {error}")
    with servers.s3rver(program) as url:
        yield url


def s3_settings(url: str, **given: object) -> S3Settings:
    values: dict[str, object] = {
        "bucket": BUCKET, "endpoint": url, "style": "path", "access_key_id": KEYS[0], "secret_access_key": KEYS[1],
        "retries": 3, "retry_for": timedelta(seconds=20),
    }  # fmt: skip
    return S3Settings(**{**values, **given})  # pyright: ignore[reportArgumentType] - fields by name


@pytest.fixture(
    params=["directory", pytest.param("moto", marks=pytest.mark.slow), pytest.param("s3rver", marks=pytest.mark.slow)]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Each store in turn."""
    if request.param == "directory":
        return in_directory(tmp_path / "blobs")
    return in_bucket(s3_settings(request.getfixturevalue(f"{request.param}_url")))
