"""What has to be done before the platform's own processes start; nothing when nothing has changed."""

from __future__ import annotations

import hashlib
import os
import pkgutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder

from apps.core.components import component
from apps.core.errors import PlatformError, Unavailable, UserError
from apps.edge import edge
from apps.infrastructure.embedded import files, openbao

if TYPE_CHECKING:
    from apps.edge.nginx import NginxEdge

DATABASE_SECONDS = 60  # a database outside may come up later than we do


def migrate() -> bool:
    """Bring the database to the newest schema, a copy of it kept first; False if it is that already.

    Raises Unavailable after a minute without a database, UserError where the copy cannot be made: nothing has changed.
    """
    deadline = time.monotonic() + DATABASE_SECONDS
    while True:
        try:
            return _migrate()
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise Unavailable(
                    "database_unavailable", f"The database does not answer: {error}", "Check DATABASE_URL."
                ) from error
            time.sleep(1)
        finally:
            connections.close_all()


def _migrate() -> bool:
    applied = MigrationRecorder(connections["default"]).applied_migrations()
    if shipped() <= applied.keys():
        return False
    if applied and settings.BRAINPOD.upgrade_copies:
        component("upgrade_copy")()
    call_command("migrate", interactive=False, verbosity=0)
    return True


def shipped() -> set[tuple[str, str]]:
    """(app, migration) of every file there is: to load them all only to find nothing to do takes long."""
    return {
        (app.label, module.name)
        for app in apps.get_app_configs()
        for module in pkgutil.iter_modules([str(Path(app.path, "migrations"))])
        if module.name[0] not in "_~"
    }


def set_store_up() -> bool:
    """The embedded secret store, which the supervisor would see through its first start."""
    config = settings.BRAINPOD
    files.directory(config.run, 0o711)
    return False if config.vault_addr else openbao.initialise(config.state)


def publish() -> bool:
    """Give an nginx outside its configuration. What it refuses is taken back, and told by the doctor and the pages."""
    cast("NginxEdge", edge()).prepare()
    return True


def refresh() -> bool:
    """Have our own nginx take the configuration as this version writes it, if it runs while all else is started anew.

    What it refuses stands on the operators' page, and what it had stays.
    """
    nginx = cast("NginxEdge", edge())
    try:
        before = nginx.generation()
        nginx.refresh()
        return nginx.generation() != before
    except (PlatformError, UserError):
        return False


def collect_static() -> bool:
    """Collect the static files with their hashes where the pages' processes and the edge read them."""
    root = Path(settings.STATIC_ROOT)
    marker = root / ".collected"
    now = _fingerprint()
    if marker.exists() and marker.read_text() == now:
        return False
    call_command("collectstatic", interactive=False, verbosity=0, clear=root.exists())
    marker.write_text(now)
    # The edge's workers may be another user than the platform is.
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return True


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = os.stat(storage.path(name))
            digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
