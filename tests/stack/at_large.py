"""Where a planted secret is that belongs into the secret store alone, and into the processes of its own app."""

from __future__ import annotations

import base64
import gzip
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import redis
import zstandard
from psycopg.sql import SQL, Identifier

from tests.stack.platform import Platform

LEFT_OUT = ("static", "tools")  # of the state directory: what the platform is made of
PACKED = 2**26  # bytes that something packed may have


def at_large(platform: Platform, *secrets: str) -> list[str]:
    """Every place where one of `secrets` is found, in any of its forms: files (the database's own and its WAL, caches
    and artifacts among them), every row of every table, all of Valkey, every process but those of apps.
    """
    forms = [form for secret in secrets for form in forms_of(secret)]
    places = (*_files(platform.state), *_rows(platform), *_keys(platform), *_processes())
    return [place for place, told in places if any(form in text for text in unpacked(told) for form in forms)]


def forms_of(secret: str) -> list[bytes]:
    """As it is, quoted for an address, in hexadecimal, and in base64 wherever in a text it stood."""
    plain = secret.encode()
    shifted = (base64.b64encode(b"\0" * n + plain) for n in range(3))
    inner = [text[skip : len(text) // 4 * 4 - 4] for text, skip in zip(shifted, (0, 2, 3), strict=True)]
    return list(dict.fromkeys((plain, quote(secret, safe="").encode(), plain.hex().encode(), *inner)))


def unpacked(told: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them."""
    yield told
    with suppress(zstandard.ZstdError, zlib.error, OSError, EOFError):
        if told.startswith(b"\x28\xb5\x2f\xfd"):
            yield zstandard.ZstdDecompressor().decompressobj().decompress(told)
        elif told.startswith(b"\x1f\x8b"):
            yield gzip.decompress(told)
        elif told[:1] == b"\x78":  # an object of git's, a stored chunk
            yield zlib.decompressobj().decompress(told, PACKED)


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for folder, folders, names in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in names:
            with suppress(OSError):  # it went meanwhile
                path = Path(folder, name)
                if stat.S_ISREG(path.lstat().st_mode):
                    yield str(path), path.read_bytes()


def _rows(platform: Platform) -> Iterator[tuple[str, bytes]]:
    if address := platform.env.get("DATABASE_URL"):
        with psycopg.connect(address) as server:
            named = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            for (table,) in server.execute(named).fetchall():
                rows = server.execute(SQL("SELECT * FROM {}").format(Identifier(table))).fetchall()
                yield from _cells(table, rows)
        return
    with closing(sqlite3.connect(f"file:{platform.state}/brainpod.sqlite3?mode=ro", uri=True, timeout=30)) as file:
        for (table,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            quoted = table.replace('"', '""')
            yield from _cells(table, file.execute(f'SELECT * FROM "{quoted}"').fetchall())


def _cells(table: str, rows: list[tuple[Any, ...]]) -> Iterator[tuple[str, bytes]]:
    for row in rows:
        for cell in row:
            if isinstance(cell, bytes | memoryview):
                yield f"table {table}", bytes(cell)
            elif cell is not None:
                yield f"table {table}", str(cell).encode()


def _keys(platform: Platform) -> Iterator[tuple[str, bytes]]:
    own = f"unix://{platform.state / 'run' / 'valkey.sock'}"
    with redis.Redis.from_url(platform.env.get("BRAINPOD_VALKEY_URL", own)) as valkey:
        read = {
            b"string": valkey.get,
            b"list": lambda key: valkey.lrange(key, 0, -1),
            b"set": valkey.smembers,
            b"zset": lambda key: valkey.zrange(key, 0, -1),
            b"hash": valkey.hgetall,
            b"stream": valkey.xrange,
        }
        for key in valkey.scan_iter(count=1000):
            kind = valkey.type(key)
            if kind != b"none":  # it ran out meanwhile
                yield f"Valkey's {key!r}", repr((key, read[kind](key))).encode()
        yield "Valkey's slow log", repr(valkey.slowlog_get(1000)).encode()


def _processes() -> Iterator[tuple[str, bytes]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                argv, environ = ((entry / name).read_bytes() for name in ("cmdline", "environ"))
                yield f"arguments of process {entry.name}: {argv[:60]!r}", argv
                if b"\0BRAINPOD_POD=" not in b"\0" + environ:
                    yield f"environment of process {entry.name}: {argv[:60]!r}", environ
