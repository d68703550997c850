"""How each kind of resource is backed up. A new one is a module and a line here."""

from __future__ import annotations

from typing import Any

from apps.backups.kinds.base import Kind
from apps.backups.kinds.disk import Disk
from apps.backups.kinds.keys import Keys
from apps.backups.kinds.mariadb import MariaDB
from apps.backups.kinds.postgres import Postgres
from apps.backups.kinds.valkey import Valkey

SHARED_KEYS = "ValkeyKeys"  # a Valkey at a shared server: what is backed up is another thing than a server's whole
KINDS: dict[str, Kind[Any]] = {
    "PostgresDB": Postgres(), "MariaDB": MariaDB(), "Valkey": Valkey(), SHARED_KEYS: Keys(), "Disk": Disk(),
}  # fmt: skip
