"""How many requests a token may make in a minute: counted in Valkey, told in headers; while it is away, not at all."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import redis
from django.conf import settings

from apps.accounts.throttle import client

SECONDS = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of `limit` requests `remaining` may follow within `reset` seconds."""

    limit: int
    remaining: int
    reset: int
    exceeded: bool = False

    @property
    def headers(self) -> dict[str, str]:
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        return told | {"Retry-After": str(self.reset)} if self.exceeded else told


def count(token: int) -> Allowance | None:
    """One more request of the token with this number; None when nothing is counted."""
    limit = settings.BRAINPOD.api_rate
    if not limit:
        return None
    now = time.time()
    window = int(now // SECONDS)
    key = f"api:rate:{token}:{window}"
    try:
        pipe = client(settings.VALKEY_URL).pipeline(transaction=False)
        pipe.incr(key)
        pipe.expire(key, 2 * SECONDS)
        made = int(pipe.execute()[0])
    except redis.RedisError:
        return None
    reset = math.ceil((window + 1) * SECONDS - now)
    return Allowance(limit, max(0, limit - made), reset, exceeded=made > limit)
