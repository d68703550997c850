"""The keys of a Valkey or Redis, a page at a time: nothing here asks the server for everything it has.

At a shared server only those with the target's prefix are there at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from apps.accounts.models import User
from apps.core.errors import Detail, Invalid, NotFound
from apps.databases.book import recorded
from apps.databases.targets import Target
from apps.sql import refusals

WAIT = 5  # seconds
COUNT = 100  # keys looked for at a time
SHARED_COUNT = 1000  # where most of them are others'
ROUNDS = 50  # at most that many times for one page: a pattern may match nothing among millions
ITEMS = 100  # of a list, set, hash or stream
TEXT = 4000  # characters of a value
LONGEST_TTL = 10 * 365 * 86400
TYPES = ("string", "list", "set", "zset", "hash", "stream")


@dataclass(frozen=True, slots=True)
class Key:
    """`ttl` in seconds, None for a key that stays; `memory` in bytes."""

    name: bytes
    type: str
    ttl: int | None
    memory: int | None

    @property
    def shown(self) -> str:
        return shown(self.name, 200)

    @property
    def hex(self) -> str:
        return self.name.hex()


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor`: what asks for more, 0 at the end. `total`: keys of the database; None where others have keys there."""

    keys: tuple[Key, ...]
    cursor: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Value:
    """`rows`: (position, field or score; text), at most ITEMS of `length`."""

    key: Key
    length: int
    rows: tuple[tuple[str, str], ...]


@contextmanager
def connected(target: Target) -> Iterator[Any]:
    """Raises UserError("database_credentials"), Unavailable("database_silent"), UserError("sql_refused")."""
    where = target.admin
    client = redis.Redis(
        host=where.host, port=where.port, username=where.username or None, password=where.password or None,
        socket_timeout=WAIT, socket_connect_timeout=WAIT, ssl=where.tls, protocol=2,
    )  # fmt: skip
    try:
        yield client
    except redis.AuthenticationError:
        raise refusals.credentials(where) from None
    except (redis.ConnectionError, redis.TimeoutError):
        raise refusals.unreachable(where) from None
    except redis.RedisError as error:
        raise refusals.refused(str(error)) from None
    finally:
        client.close()


def page(target: Target, *, pattern: str = "", type: str = "", cursor: int = 0) -> Page:
    """Some keys that match, of where `cursor` stands."""
    if type and type not in TYPES:
        raise Invalid([Detail("type", f"One of {', '.join(TYPES)} is needed.")])
    if len(pattern) > 500 or not 0 <= cursor < 1 << 64:
        raise Invalid([Detail("pattern", "A pattern has at most 500 characters.")])
    count = SHARED_COUNT if target.prefix else COUNT
    with connected(target) as client:
        found: list[bytes] = []
        for _ in range(ROUNDS):
            cursor, keys = client.scan(cursor, match=_match(target, pattern), count=count, _type=type or None)
            found += keys
            if not cursor or len(found) >= COUNT:
                break
        described = sorted(_described(client, list(dict.fromkeys(found))), key=lambda it: it.name)
        return Page(tuple(described), int(cursor), None if target.prefix else int(client.dbsize()))


def value(target: Target, name: bytes) -> Value:
    """Raises NotFound."""
    _own(target, name)
    with connected(target) as client:
        key = next(iter(_described(client, [name])), None)
        if key is None:
            raise NotFound("such key")
        length, rows = _read(client, key)
        return Value(key, length, tuple(rows))


def delete(*, target: Target, by: User, name: bytes) -> None:
    """Raises NotFound."""
    _own(target, name)
    with recorded(target=target, by=by, kind="delete key", words=shown(name, 200)) as entry:
        with connected(target) as client:
            entry.rows = client.unlink(name)
        if not entry.rows:
            raise NotFound("such key")


def expire(*, target: Target, by: User, name: bytes, ttl: int | None) -> None:
    """`ttl` in seconds; None: it stays. Raises NotFound."""
    _own(target, name)
    if ttl is not None and not 1 <= ttl <= LONGEST_TTL:
        raise Invalid([Detail("ttl", f"1 to {LONGEST_TTL} seconds, or nothing for a key that stays.")])
    words = f"{shown(name, 200)}: {'stays' if ttl is None else f'{ttl} s'}"
    with recorded(target=target, by=by, kind="expire key", words=words), connected(target) as client:
        if not client.exists(name):
            raise NotFound("such key")
        client.persist(name) if ttl is None else client.expire(name, ttl)


def _match(target: Target, pattern: str) -> str | None:
    """A pattern may be written with the prefix or without it."""
    if not target.prefix:
        return pattern or None
    return pattern if pattern.startswith(target.prefix) else f"{target.prefix}{pattern or '*'}"


def _own(target: Target, name: bytes) -> None:
    if not name.startswith(target.prefix.encode()):
        raise NotFound("such key")


def shown(value: bytes, longest: int = TEXT) -> str:
    """Text as it is, other bytes escaped; cut."""
    text = value[: longest * 4].decode(errors="backslashreplace")
    return text[:longest] + "…" if len(text) > longest or len(value) > longest * 4 else text


def _described(client: Any, names: list[bytes]) -> list[Key]:
    """Those that are still there, in one round trip."""
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.type(name)
        pipe.ttl(name)
        pipe.memory_usage(name, samples=5)
    answers = pipe.execute(raise_on_error=False)
    found = []
    for at, name in enumerate(names):
        kind, ttl, memory = answers[at * 3 : at * 3 + 3]
        if isinstance(kind, bytes) and kind != b"none":
            stays = not isinstance(ttl, int) or ttl < 0
            found.append(Key(name, kind.decode(), None if stays else ttl, memory if isinstance(memory, int) else None))
    return found


def _read(client: Any, key: Key) -> tuple[int, list[tuple[str, str]]]:
    name = key.name
    if key.type == "string":
        return int(client.strlen(name)), [("", shown(client.getrange(name, 0, TEXT * 4)))]
    if key.type == "list":
        return int(client.llen(name)), [(str(at), shown(it)) for at, it in enumerate(client.lrange(name, 0, ITEMS - 1))]
    if key.type == "set":
        return int(client.scard(name)), [("", shown(it)) for it in client.sscan(name, count=ITEMS)[1][:ITEMS]]
    if key.type == "zset":
        members = client.zrange(name, 0, ITEMS - 1, withscores=True)
        return int(client.zcard(name)), [(f"{score:g}", shown(it)) for it, score in members]
    if key.type == "hash":
        fields = list(client.hscan(name, count=ITEMS)[1].items())[:ITEMS]
        return int(client.hlen(name)), [(shown(field, 200), shown(it)) for field, it in fields]
    if key.type == "stream":
        entries = client.xrange(name, count=ITEMS)
        return int(client.xlen(name)), [
            (id.decode(), "  ".join(f"{shown(field, 200)}={shown(it, 500)}" for field, it in fields.items()))
            for id, fields in entries
        ]
    return 0, []
