"""An S3-compatible store. Imported only where one is set: the client costs every process 30 MB and half a second."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from storages.backends.s3 import S3Storage

from apps.artifacts.objects import StorageObjects

IN_MEMORY = 8 << 20  # bytes of an object; larger ones go through a temporary file


def bucket(url: str) -> StorageObjects:
    """`s3://bucket/prefix?endpoint=https://…&region=…`; who we are is in AWS_ACCESS_KEY_ID and so on."""
    parts = urlsplit(url)
    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
    config = Config(
        connect_timeout=3,
        read_timeout=30,
        retries={"total_max_attempts": 2},
        s3={"addressing_style": "path" if "endpoint" in given else "auto"},
        # Not every server that speaks S3 knows the newer checksums; trees are verified by their own digest.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    storage = S3Storage(
        bucket_name=parts.netloc,
        location=parts.path.strip("/"),
        endpoint_url=given.get("endpoint"),
        region_name=given.get("region"),
        client_config=config,
        default_acl=None,
        file_overwrite=True,
        max_memory_size=IN_MEMORY,
    )
    return StorageObjects(storage, (BotoCoreError, ClientError, HTTPClientError, Boto3Error))
