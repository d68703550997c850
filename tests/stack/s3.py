"""A server that speaks S3 over HTTP, with a bucket of its own for whoever asks."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from apps.core.ids import new_id
from tests.stack.components import running


@dataclass(frozen=True, slots=True)
class Bucket:
    """`url` is what BRAINPOD_CACHE_URL or BRAINPOD_ARTIFACTS_URL would be."""

    name: str
    endpoint: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/caches?endpoint={self.endpoint}&region=us-east-1"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5):
                return True
        except OSError:
            return False

    directory = Path(tempfile.mkdtemp(prefix="bp-s3-"))
    try:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with running(command, directory / "log", ready, seconds=120):
            yield endpoint
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new, empty one; the credentials are in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    name = f"b-{new_id().lower()}"
    boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1").create_bucket(Bucket=name)
    return Bucket(name, s3_server)
