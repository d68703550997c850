"""Sign-ins slowed down: per account and per address, by waiting times that double, and never by locking out.

Failures are counted in Valkey; while it is away, in this process (weaker, but signing in goes on). A device that has
signed in to the account before carries a signed cookie and is counted by itself: strangers who guess at an account
never slow down its owner at the usual browser, and at another one by seconds only.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache

import redis
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from apps.core.errors import UserError

FORGOTTEN = 3600  # seconds without a failure after which all is as before
DEVICE_COOKIE = "brainpod_device"
DEVICE_AGE = 180 * 24 * 3600
_SALT = "accounts.device"


@dataclass(frozen=True, slots=True)
class Counter:
    """Failures under `key`: the first `free` cost nothing, then the wait doubles from 2 s up to `longest` seconds."""

    key: str
    free: int
    longest: int

    def wait(self, failures: int) -> int:
        """Seconds between the last failure and the next attempt."""
        return 0 if failures < self.free else min(self.longest, 2 ** min(failures - self.free + 1, 20))


def address_of(request: HttpRequest) -> str:
    """The client's address, empty if unknown. Who connects from this host is nginx, which wrote X-Real-IP itself."""
    return address_in(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Real-IP", ""))


def address_in(peer: str | None, told: str) -> str:
    """The same of what connected (`peer`) and of the header X-Real-IP (`told`)."""
    found = _address(peer or "")
    if found is None or found.is_loopback:
        found = _address(told) or found
    return str(found or "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None


@dataclass(slots=True)
class _Local:
    """Counters of this process, for while Valkey is away; bounded."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: dict[str, tuple[int, float]] = field(default_factory=dict)

    def read(self, keys: list[str]) -> list[tuple[int, float]]:
        oldest = time.time() - FORGOTTEN
        with self.lock:
            rows = [self.rows.get(key, (0, 0.0)) for key in keys]
        return [row if row[1] > oldest else (0, 0.0) for row in rows]

    def add(self, keys: list[str]) -> None:
        rows = self.read(keys)
        with self.lock:
            if len(self.rows) > 10_000:
                self.rows.clear()
            self.rows.update({key: (count + 1, time.time()) for key, (count, _) in zip(keys, rows, strict=True)})

    def clear(self, keys: list[str]) -> None:
        with self.lock:
            for key in keys:
                self.rows.pop(key, None)


_local = _Local()


@lru_cache(maxsize=4)
def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, decode_responses=True)


class Failures:
    """Those that `counters` count."""

    def __init__(self, counters: list[Counter], *, url: str | None = None) -> None:
        self._client = client(url or settings.VALKEY_URL)
        self._counters = counters
        self._keys = [counter.key for counter in self._counters]

    def left(self) -> float:
        """Seconds until another attempt is due; none or less: it may be made now."""
        now = time.time()
        rows = zip(self._counters, self._read(), strict=True)
        waits = ((at, counter.wait(count)) for counter, (count, at) in rows)
        # Another attempt may have failed since `now`: what costs nothing is no wait for that. And one that failed
        # later than now did so before the clock was set back: nobody waits for longer than that costs.
        return max((min(at + wait - now, wait) for at, wait in waits if wait), default=0)

    def failed(self) -> None:
        try:
            pipe = self._client.pipeline(transaction=True)
            for key in self._keys:
                pipe.hincrby(key, "count", 1)
                pipe.hset(key, "at", str(time.time()))
                pipe.expire(key, FORGOTTEN)
            pipe.execute()
        except redis.RedisError:
            _local.add(self._keys)

    def _read(self) -> list[tuple[int, float]]:
        try:
            pipe = self._client.pipeline(transaction=False)
            for key in self._keys:
                pipe.hmget(key, ["count", "at"])
            return [(int(count or 0), float(at or 0)) for count, at in pipe.execute()]
        except redis.RedisError:
            return _local.read(self._keys)


class Throttle(Failures):
    """The counters that an attempt to sign in to `email` touches."""

    def __init__(self, email: str, request: HttpRequest, *, url: str | None = None) -> None:
        super().__init__(counters(email, request), url=url)

    def check(self) -> None:
        """Raise UserError `too_many_attempts` (429) if it is too early for another attempt."""
        left = self.left()
        if left > 0:
            raise UserError(
                "too_many_attempts",
                "Too many failed attempts to sign in.",
                f"Wait {int(left) + 1} seconds and try again, or make a link on the server: manage.py signin.",
                status=429,
            )

    def passed(self) -> None:
        """Forget this browser's failures; an address keeps its own, or one good account would whitewash it."""
        _local.clear(self._keys[:1])
        try:
            self._client.delete(self._keys[0])
        except redis.RedisError:
            return


class PasskeySignIn(Throttle):
    """Of an address: nobody says whose passkey it will be, and guessing is hopeless."""

    def __init__(self, request: HttpRequest, *, url: str | None = None) -> None:
        Failures.__init__(self, [Counter(f"signin:passkey:{network_of(request)}", 20, 60)], url=url)


class SecondStep(Throttle):
    """The counters that an attempt at the second step touches.

    Who gets here has the password, and six digits are few: from many addresses too it is a few hundred a day.
    """

    def __init__(self, email: str, request: HttpRequest, *, url: str | None = None) -> None:
        first = counters(email, request)
        mine = [Counter(one.key.replace("signin:", "signin:second:", 1), one.free, one.longest) for one in first]
        account = hashlib.sha256(email.strip().lower().encode()).hexdigest()[:32]
        everywhere = Counter(f"signin:second:account:{account}", 10, 300)
        kept = mine if len(mine) == 1 else [*mine[:-1], everywhere]
        Failures.__init__(self, kept, url=url)


def counters(email: str, request: HttpRequest) -> list[Counter]:
    """A known device's own; else the account's from this address, the address's and the account's from anywhere.

    The last has a short longest wait: whoever guesses from many addresses is slowed to some thousand guesses a day,
    and the owner at a new device is never kept out by them.
    """
    account = hashlib.sha256(email.strip().lower().encode()).hexdigest()[:32]
    if device := known_device(request, email):
        return [Counter(f"signin:device:{account}:{device}", 5, 900)]
    network = network_of(request)
    return [
        Counter(f"signin:pair:{account}:{network}", 5, 900),
        Counter(f"signin:address:{network}", 20, 900),
        Counter(f"signin:account:{account}", 100, 8),
    ]


def network_of(request: HttpRequest) -> str:
    """What counts as one address. IPv6 customers own at least a /64: one counter for all of it."""
    address = address_of(request)
    if ":" in address:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return address or "unknown"


def known_device(request: HttpRequest, email: str) -> str:
    """The device's id if it has signed in to this account before, else empty."""
    try:
        known = signing.loads(request.COOKIES.get(DEVICE_COOKIE, ""), salt=_SALT, max_age=DEVICE_AGE)
    except signing.BadSignature:
        return ""
    return str(known["id"]) if known.get("email") == email.strip().lower() else ""


def remember_device(response: HttpResponse, email: str) -> None:
    """Give the browser that has just signed in a counter of its own."""
    email = email.strip().lower()
    identifier = hashlib.sha256(f"{email}:{time.time_ns()}".encode()).hexdigest()[:16]
    response.set_cookie(
        DEVICE_COOKIE,
        signing.dumps({"email": email, "id": identifier}, salt=_SALT),
        max_age=DEVICE_AGE,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
