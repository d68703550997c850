"""Database servers looked into and managed: PostgreSQL, MySQL and MariaDB, of pods and of anybody else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from apps.core.errors import Detail, Invalid, UserError
from apps.sql.base import READER, TYPES, Server, Where
from apps.sql.mysql.server import MySQL
from apps.sql.postgres.server import Postgres

__all__ = ["Server", "Where", "open", "open_reader", "reader_of"]


@contextmanager
def open(where: Where) -> Iterator[Server]:
    """Connections are made when they are needed and closed at the end. Raises Invalid naming the field."""
    if where.type not in TYPES:
        raise Invalid([Detail("type", f"{where.type!r} is none of {', '.join(TYPES)}.")])
    server: Server = Postgres(where) if where.type == "postgresql" else MySQL(where)
    try:
        yield server
    finally:
        server.close()


def reader_of(user: Where, name: str = READER) -> Where:
    """Who may only look, called `name`. The password follows from the user's, so that nothing has to be kept."""
    password = hmac.new(user.password.encode(), b"brainpod reader", hashlib.sha256).hexdigest()
    return user.as_user(name, password)


@contextmanager
def open_reader(admin: Where, reader: Where, database: str) -> Iterator[Server]:
    """As `reader`, made or mended by `admin` of the same server where it cannot get at `database` yet."""
    where = reader.at(database)
    with open(where) as server:
        try:
            whole = server.reads_all(database)
        except UserError as error:
            if error.code != "database_credentials":
                raise
            whole = False
        if not whole:
            with open(admin) as above:
                above.ensure_reader(where, database)
        yield server
