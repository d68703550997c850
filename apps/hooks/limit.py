"""How many deliveries with a bad signature are answered in words, of an address that goes on sending them.

Counted after the signature was looked at, so a delivery that is signed is never refused. Counters are in Valkey, and
as many as there are places, whatever paths somebody thinks of; while it is away nothing is limited.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import redis
from django.conf import settings
from django.http import HttpRequest

from apps.accounts.throttle import address_of

FREE = 20  # bad signatures of an address at a path
WINDOW = 60  # seconds
PLACES = 4096


def too_many(request: HttpRequest, path: str) -> int:
    """Count a bad signature for `path`: the seconds until the sender may try again, 0 if that is now."""
    place = int.from_bytes(hashlib.sha256(f"{address_of(request)} {path}".encode()).digest()[:4], "big") % PLACES
    key = f"hooks:refused:{place}"
    try:
        pipe = _client(settings.VALKEY_URL).pipeline(transaction=True)
        pipe.set(key, 0, ex=WINDOW, nx=True)
        pipe.incr(key)
        pipe.ttl(key)
        _, count, left = pipe.execute()
    except redis.RedisError:
        return 0
    return max(1, int(left)) if int(count) > FREE else 0


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
