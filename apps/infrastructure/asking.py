"""Whether a database server answers: through its driver, within seconds, in words that give nothing away."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import psycopg
import pymysql
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.core.errors import Conflict, UserError
from apps.infrastructure.models import DATABASES, Type

SECONDS = 3
NOBODY = "brainpod"  # without a password: whom a server that was made with care does not let in


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and who the platform is there."""

    type: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def without_credentials(self) -> bool:
        return self.type in DATABASES and not self.user and not self.password


def version(place: Place) -> str:
    """What it says it is: "PostgreSQL 16.4".

    Raises UserError("service_refused" | "service_unreachable"), Conflict("service_without_credentials") of one that
    answers.
    """
    ask = {Type.POSTGRESQL: _postgres, Type.MYSQL: _mysql, Type.MARIADB: _mysql}.get(Type(place.type), _keys)
    if not place.without_credentials:
        return ask(place)
    # A refusal, not a bare connection: MySQL shuts out a host that ends a hundred of them before signing in.
    try:
        ask(replace(place, user=NOBODY))
    except UserError as error:
        if error.code != "service_refused":
            raise
    raise without_credentials()


def _postgres(place: Place) -> str:
    try:
        with psycopg.connect(
            host=place.host, port=place.port, user=place.user, password=place.password, dbname="postgres",
            connect_timeout=SECONDS, options="-c statement_timeout=3000",
        ) as made:  # fmt: skip
            row = made.execute("SHOW server_version").fetchone()
    except psycopg.OperationalError as error:
        # Of a failed connection the driver knows no SQLSTATE: only the server's words tell the two apart.
        words = str(error)
        if "no password supplied" in words:
            raise refused(place) from None
        if "FATAL" in words and "starting up" not in words and "shutting down" not in words:
            raise refused(place) from None
        raise unreachable(place) from None
    except psycopg.Error:
        raise refused(place) from None
    return f"PostgreSQL {str(row[0]).split()[0]}" if row else "PostgreSQL"


def _mysql(place: Place) -> str:
    try:
        made = pymysql.connect(
            host=place.host, port=place.port, user=place.user, password=place.password,
            connect_timeout=SECONDS, read_timeout=SECONDS, write_timeout=SECONDS,
        )  # fmt: skip
    except pymysql.err.OperationalError as error:
        raise (unreachable(place) if error.args[0] in (2003, 2006, 2013, 1040) else refused(place)) from None
    except (pymysql.err.Error, OSError, RuntimeError):
        raise unreachable(place) from None
    with made:
        said = made.get_server_info()
    return f"MariaDB {_number(said.removeprefix('5.5.5-'))}" if "mariadb" in said.lower() else f"MySQL {_number(said)}"


def _number(text: str) -> str:
    return text.partition("-")[0]


def _keys(place: Place) -> str:
    client = redis.Redis(
        host=place.host, port=place.port, username=place.user or None, password=place.password or None,
        socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    try:
        with client:
            client.ping()
            found: dict[str, str] = client.info("server")  # type: ignore[assignment]
    except (redis.AuthenticationError, redis.ResponseError, redis.exceptions.NoPermissionError):
        raise refused(place) from None
    except (redis.RedisError, OSError):
        raise unreachable(place) from None
    if "valkey_version" in found:
        return f"Valkey {found['valkey_version']}"
    return f"Redis {found.get('redis_version', '')}".strip()


def refused(place: Place) -> UserError:
    who = f" as {place.user}" if place.user else ""
    return UserError(
        "service_refused", f"The server answers and does not let Brainpod in{who}.", "Check the user and the password."
    )


def without_credentials() -> Conflict:
    return Conflict(
        "service_without_credentials",
        "Brainpod has no credentials for this server: it sees whether it answers, and cannot look into it.",
        "Say a user and a password: in infrastructure.yml as root_user and root_password.",
    )


def unreachable(place: Place) -> UserError:
    return UserError(
        "service_unreachable",
        f"No server answers at port {place.port} there within {SECONDS} seconds.",
        "Check host and port, and that a firewall lets this host in.",
    )
