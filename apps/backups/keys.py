"""The keys that backups are sealed with, in the format of the `age` program.

The platform has a pair of its own: the recipient is in the database, its identity in the secret store. What is sealed
is sealed for BRAINPOD_BACKUPS_RECIPIENT too, if there is one: whoever holds that identity needs no platform.
"""

from __future__ import annotations

from django.conf import settings
from pyrage import x25519

from apps import secretstore
from apps.backups.models import BackupKey
from apps.core.errors import Unavailable
from apps.core.ids import new_id
from apps.deployments.duties import duty

IDENTITY = "identity"


def recipients() -> list[x25519.Recipient]:
    """What a new backup is sealed for. Raises Unavailable with the secret store."""
    newest = BackupKey.objects.first() or _made()
    own = settings.BRAINPOD.backups_recipient
    return [x25519.Recipient.from_str(text) for text in (newest.recipient, own) if text]


def identities() -> list[x25519.Identity]:
    """What opens the platform's backups. Raises Unavailable, PlatformError("secret_missing")."""
    store = secretstore.secrets()
    return [x25519.Identity.from_str(store.read(key.path, key.version)[IDENTITY]) for key in BackupKey.objects.all()]


def _made() -> BackupKey:
    with duty("backups.key") as lease:
        if lease is None:
            raise Unavailable("backup_key_busy", "The key of backups is being made.", "Try again in a moment.")
        if found := BackupKey.objects.first():
            return found
        identity = x25519.Identity.generate()
        path = f"platform/backups/{new_id().lower()}"
        version = secretstore.secrets().write(path, {IDENTITY: str(identity)})
        return BackupKey.objects.create(recipient=str(identity.to_public()), path=path, version=version)
