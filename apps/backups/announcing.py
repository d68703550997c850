"""What teams are told of backups."""

from __future__ import annotations

from apps.backups.models import Backup
from apps.core.announce import announce


def backup(event: str, row: Backup, words: str, *, error: str = "") -> None:
    """About one of them. In the transaction of the change."""
    about = {"id": row.pk, "resource": row.name, "kind": row.kind, "size": row.size, "error": error or None}
    announce(event, pod_id=row.pod_id, words=words, page=("backup", row.pod.name, row.pk), backup=about)


def resource(event: str, *, pod_id: str, pod_name: str, name: str, words: str, **about: str) -> None:
    """About all of one database or disk."""
    announce(
        event, pod_id=pod_id, words=words, page=("backups", pod_name, name), backup={"resource": name, **about}
    )  # fmt: skip
