"""MariaDB: its counters, and the digests of its performance schema, which have no values."""

from __future__ import annotations

from typing import Any

import pymysql

from apps.metrics.databases import SECONDS, STATEMENTS, Look, Statement
from apps.metrics.databases.shape import shape
from apps.servers.mariadb import MARIADB

_COUNTERS = """
SHOW GLOBAL STATUS WHERE Variable_name IN
('Threads_connected', 'Innodb_buffer_pool_read_requests', 'Innodb_buffer_pool_reads', 'Slow_queries')"""
_SIZE = """
SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) FROM information_schema.tables
WHERE table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"""
_STATEMENTS = """
SELECT digest_text, SUM(count_star), SUM(sum_timer_wait) / 1e9, MAX(max_timer_wait) / 1e9
FROM performance_schema.events_statements_summary_by_digest
WHERE digest_text IS NOT NULL AND schema_name NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')
GROUP BY digest_text ORDER BY 3 DESC LIMIT %s"""


class Connection:
    def __init__(self, host: str, port: int, password: str, user: str = "") -> None:
        self._made = pymysql.connect(
            host=host, port=port, user=user or MARIADB.admin, password=password, autocommit=True,
            connect_timeout=int(SECONDS), read_timeout=int(SECONDS), write_timeout=int(SECONDS),
            init_command=f"SET SESSION max_statement_time = {SECONDS}",
        )  # fmt: skip
        self._size = 0
        ((self._limit,),) = self._rows("SELECT @@max_connections")

    def look(self) -> Look:
        found = {name: int(value) for name, value in self._rows(_COUNTERS)}
        misses = found["Innodb_buffer_pool_reads"]
        gauges = {"connections": max(0, found["Threads_connected"] - 1), "limit": self._limit, "size": self._size}
        hits = max(0, found["Innodb_buffer_pool_read_requests"] - misses)
        return Look(gauges, {"hits": hits, "misses": misses, "slow": found["Slow_queries"]})

    def size(self) -> None:
        ((size,),) = self._rows(_SIZE)
        self._size = int(size)

    def statements(self) -> list[Statement]:
        rows = self._rows(_STATEMENTS, STATEMENTS)
        return [Statement(shape(text), int(calls), float(total), float(most)) for text, calls, total, most in rows]

    def close(self) -> None:
        self._made.close()

    def _rows(self, statement: str, *values: Any) -> Any:
        with self._made.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall()
