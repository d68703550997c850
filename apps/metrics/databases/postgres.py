"""PostgreSQL: its own statistics views, and pg_stat_statements where it was loaded (apps/servers/scripts)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from apps.metrics.databases import SECONDS, STATEMENTS, Look, Statement
from apps.metrics.databases.shape import shape
from apps.servers.postgres import POSTGRES

_CONNECTIONS = """
SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
_READ = "SELECT coalesce(sum(blks_hit), 0)::bigint, coalesce(sum(blks_read), 0)::bigint FROM pg_stat_database"
_SLOW = """
SELECT pid, extract(epoch FROM query_start)::text FROM pg_stat_activity
WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND clock_timestamp() - query_start > interval '1 second'"""
_SIZE = (
    "SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database WHERE datallowconn AND NOT datistemplate"
)
_LOADED = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements')"
_STATEMENTS = """
SELECT query, calls, total_exec_time, max_exec_time FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
WHERE r.rolname <> current_user ORDER BY total_exec_time DESC LIMIT %s"""


class Connection:
    def __init__(self, host: str, port: int, password: str, user: str = "") -> None:
        self._made = psycopg.connect(
            host=host, port=port, user=user or POSTGRES.admin, password=password, dbname="postgres", autocommit=True,
            connect_timeout=int(SECONDS), application_name="brainpod metrics", prepare_threshold=None, sslmode="prefer",
            options=f"-c statement_timeout={int(SECONDS * 1000)} -c default_transaction_read_only=on",
        )  # fmt: skip
        self._size = 0
        self._slow: set[tuple[int, str]] = set()
        self._counted = 0

    def look(self) -> Look:
        with self._in_time():
            ((connections, limit),) = self._made.execute(_CONNECTIONS).fetchall()
            ((hits, misses),) = self._made.execute(_READ).fetchall()
            slow = {(pid, began) for pid, began in self._made.execute(_SLOW).fetchall()}
        self._counted += len(slow - self._slow)  # one that goes on is counted once
        self._slow = slow
        gauges = {"connections": connections, "limit": limit, "size": self._size}
        return Look(gauges, {"hits": hits, "misses": misses, "slow": self._counted})

    def size(self) -> None:
        with self._in_time():
            ((self._size,),) = self._made.execute(_SIZE).fetchall()

    def statements(self) -> list[Statement]:
        with self._in_time():
            if self._made.execute(_LOADED).fetchone() != (True,):
                return []
            rows = self._made.execute(_STATEMENTS, [STATEMENTS]).fetchall()
        return [Statement(shape(text), calls, total, longest) for text, calls, total, longest in rows]

    def close(self) -> None:
        self._made.close()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """A server that was frozen heeds no statement_timeout: the connection is cut from our end."""
        timer = threading.Timer(SECONDS + 1, _cut, [self._made.fileno()])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _cut(descriptor: int) -> None:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            copy.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself
