"""Users of a shared Valkey or Redis: each sees the keys and channels that begin with its name, and nothing else there.

The server keeps them in a file of its own (apps/servers/scripts/valkey.sh), by the digest of their passwords.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.errors import UserError
from apps.infrastructure import workloads
from apps.infrastructure.asking import SECONDS, refused
from apps.infrastructure.models import Service
from apps.sql import refusals

OLDEST = 7  # before, scripts and SORT are not held to the keys of who runs them
COUNT = 1000  # keys looked for at a time
_TYPES = "string hash list set sortedset stream bitmap hyperloglog geo"  # of these every command names its keys
_KEYS = (
    "del unlink exists expire expireat expiretime pexpire pexpireat pexpiretime persist ttl pttl type touch "
    "rename renamenx dump object memory|usage watch"
)
_WITHOUT_KEYS = (
    "ping echo time hello auth reset multi exec discard unwatch command script|load script|exists "
    "client|id client|info client|getname client|setname client|reply "
    "publish subscribe unsubscribe psubscribe punsubscribe spublish ssubscribe sunsubscribe"
)
_SCRIPTS = "eval eval_ro evalsha evalsha_ro"  # what they call is asked for as if it came from who runs them
ALLOWED = (
    "-@all",
    *(f"+@{name}" for name in _TYPES.split()),
    "-@admin",
    "-@dangerous",
    *(f"+{name}" for name in (*_KEYS.split(), *_WITHOUT_KEYS.split(), *_SCRIPTS.split())),
)
"""What is named here and nothing else: a later server's new commands are refused, unless they are of a type of keys.

Left out are those that tell or change what is not of one's own keys (SCAN, KEYS, RANDOMKEY, DBSIZE, FLUSHALL, INFO,
FUNCTION, SCRIPT FLUSH and KILL, PUBSUB, CLIENT LIST and TRACKING) and that lead to another database, where nobody would
look for what is to be dropped (SELECT, MOVE, COPY, SWAPDB).
"""


def pattern(name: str) -> str:
    return f"{name}:*"


def have(service: Service, name: str, password: str) -> bool:
    """Have the user, with this password; False if it was so already. What it may do is said anew each time.

    Raises Unavailable while the server does not answer, UserError("shared_server_outdated").
    """
    digest = hashlib.sha256(password.encode()).hexdigest()
    with _open(service) as server:
        _check(service, server)
        known, own = server.acl_getuser(name), pattern(name)
        server.execute_command("ACL", "SETUSER", name, "reset", "on", f"#{digest}", f"~{own}", f"&{own}", *ALLOWED)
        server.acl_save()
    return not (known and "on" in known["flags"] and known["passwords"] == [digest])


def lock(service: Service, name: str) -> None:
    """Nobody is let in as it, and its connections end. Its keys stay. Raises Unavailable."""
    with _open(service) as server:
        server.execute_command("ACL", "SETUSER", name, "reset")
        server.acl_save()
        server.client_kill_filter(user=name)


def drop(service: Service, name: str) -> None:
    """Destroy its keys, in whichever database they are, and the user. Raises Unavailable."""
    with _open(service) as server:
        for database in server.info("keyspace"):
            with _open(service, int(database.removeprefix("db"))) as one:
                _unlink(one, pattern(name))
        server.acl_deluser(name)
        server.acl_save()


def _unlink(server: Any, match: str) -> None:
    cursor = 0
    while True:
        cursor, keys = server.scan(cursor, match=match, count=COUNT)
        if keys:
            server.unlink(*keys)
        if not cursor:
            return


def _check(service: Service, server: Any) -> None:
    """Raises UserError("shared_server_outdated")."""
    if int(server.info("server")["redis_version"].partition(".")[0]) < OLDEST:
        raise UserError(
            "shared_server_outdated",
            f"{service.name} is older than version {OLDEST}: what its users may do cannot be held to their keys.",
            "Choose a server of its own, or ask an operator to update this one.",
        )
    if not server.config_get("aclfile").get("aclfile"):
        raise UserError(
            "shared_server_outdated",
            f"{service.name} was started by an earlier version of the platform, and would forget its users.",
            "Ask an operator to restart it once, on its page.",
        )


@contextmanager
def _open(service: Service, database: int = 0) -> Iterator[Any]:
    place = workloads.place(service)
    client = redis.Redis(
        host=place.host, port=place.port, username=place.user, password=place.password, db=database,
        socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    try:
        with client:
            yield client
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError):
        raise refused(place) from None
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        raise workloads.silent(service) from None
    except redis.RedisError as error:
        raise refusals.refused(str(error)) from None
