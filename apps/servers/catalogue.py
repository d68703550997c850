"""The servers there are. A new one is a file, a script, and a line here."""

from __future__ import annotations

from apps.servers.base import Server
from apps.servers.mariadb import MARIADB
from apps.servers.postgres import POSTGRES
from apps.servers.valkey import VALKEY

SERVERS: dict[str, Server] = {server.kind: server for server in (POSTGRES, MARIADB, VALKEY)}
