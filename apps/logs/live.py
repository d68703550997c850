"""The capped Valkey stream `log:<stream>`: lines on their way to readers and to the database.

An entry is one batch of lines and its id is `<last seq>-0`, so "everything after line N" is a range of ids and
Valkey itself refuses a number that was used. Nothing here is needed for a line to be kept: when Valkey is away,
Away is raised at once (for a second after each failure without asking again) and the database has the lines.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.errors import Unavailable
from apps.logs.lines import Line, decode

CAP = 128  # entries, each of about 64 KiB at most
KEPT = 24 * 3600  # seconds a stream nobody closed is kept, for its lines to be stored by whoever opens it
CLOSED_KEPT = 600  # seconds a closed stream stays for its viewers
TOGETHER = 256 * 1024  # bytes put together for viewers, well below what one message may have
PAUSE = 1.0  # seconds without a question after a failure

_PUBLISH = """
local fence = redis.call('GET', KEYS[2])
if fence and tonumber(fence) > tonumber(ARGV[1]) then return 0 end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if last[1] then
  local seq = tonumber(string.match(last[1][1], '^%d+'))
  if seq == tonumber(ARGV[3]) then return 1 end
  if seq > tonumber(ARGV[3]) then return 0 end
end
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[6], ARGV[3] .. '-0', 'f', ARGV[2], 's', ARGV[4], 'd', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[7])
return 1
"""

T = TypeVar("T")


class Away(Unavailable):
    """Valkey does not answer."""

    def __init__(self) -> None:
        super().__init__("valkey_away", "Valkey does not answer.", "Logs go on through the database.")


class Entry(NamedTuple):
    """Lines `first` to `last`; `source` is the engine's number of the last one; `payload` as lines.encode makes it."""

    first: int
    last: int
    source: int
    payload: bytes

    def lines(self) -> list[Line]:
        return decode(self.payload)


def joined(entries: Sequence[Entry]) -> Entry:
    """Consecutive `entries`, at least one, as one."""
    if len(entries) == 1:
        return entries[0]
    payload = b"[" + b",".join(entry.payload[1:-1] for entry in entries) + b"]"
    return Entry(entries[0].first, entries[-1].last, entries[-1].source, payload)


def together(entries: Iterable[Entry]) -> Iterator[Entry]:
    """`entries` with those that follow each other as one, of at most TOGETHER bytes unless a single one has more."""
    run: list[Entry] = []
    size = 0
    for entry in entries:
        if run and (entry.first != run[-1].last + 1 or size + len(entry.payload) > TOGETHER):
            yield joined(run)
            run, size = [], 0
        run.append(entry)
        size += len(entry.payload)
    if run:
        yield joined(run)


def key(stream: str) -> str:
    return f"log:{stream}"


def fence_key(stream: str) -> str:
    return f"log:{stream}:fence"


def parse(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    return Entry(int(fields[b"f"]), int(entry_id.partition(b"-")[0]), int(fields[b"s"]), fields[b"d"])


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=2, socket_connect_timeout=1, protocol=2, retry=Retry(NoBackoff(), 1)
    )


_silent_until: dict[str, float] = {}


def _ask(question: Callable[[Any], T]) -> T:
    """The answer of Valkey. Raises Away."""
    url = settings.VALKEY_URL
    if time.monotonic() < _silent_until.get(url, 0):
        raise Away
    try:
        return question(_client(url))
    except (redis.RedisError, OSError) as error:
        _silent_until[url] = time.monotonic() + PAUSE
        raise Away from error


def publish(stream: str, fence: int, entry: Entry) -> bool:
    """Add `entry`; False if another writer has the stream. The same entry twice is added once. Raises Away."""
    arguments = (fence, entry.first, entry.last, entry.source, entry.payload, CAP, KEPT)
    return bool(_ask(lambda valkey: valkey.eval(_PUBLISH, 2, key(stream), fence_key(stream), *arguments)))


def take(stream: str, fence: int) -> None:
    """Let nobody with a lower fence publish from now on. Raises Away."""
    _ask(lambda valkey: valkey.set(fence_key(stream), fence, ex=KEPT))


def entries(stream: str, after: int) -> list[Entry]:
    """The entries with lines after `after`, oldest first. Raises Away."""
    return [parse(*raw) for raw in _ask(lambda valkey: valkey.xrange(key(stream), min=f"({after}-0"))]


def newest(stream: str) -> Entry | None:
    """The last entry. Raises Away."""
    found = _ask(lambda valkey: valkey.xrevrange(key(stream), count=1))
    return parse(*found[0]) if found else None


def names() -> list[str]:
    """The streams Valkey has lines of. Raises Away."""
    found = _ask(lambda valkey: list(valkey.scan_iter(match="log:*", count=500, _type="stream")))
    return [name.decode().removeprefix("log:") for name in found]


def closed(stream: str) -> None:
    """Everything is in the database: the entries stay only for a while. Raises Away."""
    _ask(lambda valkey: valkey.expire(key(stream), CLOSED_KEPT))


def delete(stream: str) -> None:
    """Raises Away."""
    _ask(lambda valkey: valkey.delete(key(stream), fence_key(stream)))
