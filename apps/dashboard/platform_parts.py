"""What the platform itself is made of, and whether each part answers: for readiness and for operators."""

from __future__ import annotations

import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import django
import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from apps import engines, secretstore
from apps.core.errors import PlatformError, Unavailable
from apps.edge import edge
from apps.infrastructure.embedded.steps import shipped

SECONDS = 2
OK, AWAY, SEALED = "ok", "unreachable", "sealed"


@dataclass(frozen=True, slots=True)
class Part:
    """`state`: "ok", or in a few words what it is instead, for everybody. `detail`: for operators alone."""

    name: str
    state: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.state == OK


def parts(*, every_engine: bool = True) -> list[Part]:
    """Each is asked once, what is no database several at once, and none is waited for for long.

    "engine" is the default one; without `every_engine` it is the only one.
    """
    asked: dict[str, Callable[[], Part | str]] = {"valkey": _valkey, "secrets": _secrets, "edge": _edge}
    for number, name in enumerate(engines.offered() if every_engine else engines.offered()[:1]):
        asked[f"engine {name}" if number else "engine"] = _engine(name)
    database = _tried("database", _database)
    first = [database, _tried("migrations", _migrations) if database.ok else Part("migrations", AWAY, database.detail)]
    with ThreadPoolExecutor(len(asked), "part") as pool:
        return [*first, *pool.map(_tried, asked.keys(), asked.values())]


def missing_migrations() -> int:
    """How many this version has that the database has not."""
    return len(shipped() - MigrationRecorder(connection).applied_migrations().keys())


def versions() -> dict[str, str]:
    """Of what does not say its own among the parts."""
    return {"Python": platform.python_version(), "Django": django.get_version()}


def _tried(name: str, ask: Callable[[], Part | str]) -> Part:
    """`ask` says the part's version, or the part."""
    try:
        said = ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, the part does not answer
        sealed = isinstance(error, Unavailable) and "sealed" in error.message
        return Part(name, SEALED if sealed else AWAY, error.message if isinstance(error, PlatformError) else str(error))
    return said if isinstance(said, Part) else Part(name, OK, said)


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return f"{connection.display_name} {'.'.join(map(str, connection.get_database_version()))}"


def _migrations() -> Part | str:
    missing = missing_migrations()
    if not missing:
        return "all applied"
    words = "1 is not applied" if missing == 1 else f"{missing} are not applied"
    return Part("migrations", words, "manage.py prepare applies them; make up does at its start.")


def _valkey() -> str:
    with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
        client.ping()
        about = client.info("server")
    return str(about.get("valkey_version") or about.get("redis_version") or "")


def _secrets() -> str:
    return secretstore.secrets().check()


def _edge() -> str:
    return f"generation {edge().generation()}"


def _engine(name: str) -> Callable[[], str]:
    def ask() -> str:
        has = engines.named(name).check()
        return "; ".join(has.notes) or ("sandboxed" if has.sandbox else "answers")

    return ask
