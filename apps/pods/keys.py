"""Keys of apps: made here, shown once, and told to the edge as digests.

A key is `bpk_<name>_<secret>`: the name finds the digest to compare with, the secret has 256 bits of chance. Since
nobody can guess such a secret, whoever reads a digest (in the database, in the edge's configuration) can do nothing
with it, and what a comparison's duration tells is worth as little. MD5 is what nginx computes by itself
(secure_link_md5): finding a text for a given digest is as far away as with any other digest.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import secrets
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.core.errors import Conflict
from apps.pods.models import AppKey, Pod

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
OVERLAP = datetime.timedelta(hours=24)  # how long the key before counts beside a new one
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def digest(pod_id: str, app: str, key: str) -> str:
    """What is kept of a key; nginx puts the same text together (apps/edge/keyed.py)."""
    found = hashlib.md5(f"{pod_id}/{app} {key}".encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(found).decode().rstrip("=")


@transaction.atomic
def make_key(*, pod: Pod, app: str, by: User) -> str:
    """A new key of `app`, which nobody can read again. The present one counts for OVERLAP more, older ones end.

    Raises Conflict("pod_deleting").
    """
    pod = Pod.objects.select_for_update().get(pk=pod.pk)
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be changed any more.")
    name = "".join(secrets.choice(_LETTERS) for _ in range(8))
    key = f"bpk_{name}_{secrets.token_urlsafe(32)}"
    AppKey.objects.filter(pod=pod, app=app, ends_at__isnull=False).delete()
    AppKey.objects.filter(pod=pod, app=app).update(ends_at=timezone.now() + OVERLAP)
    AppKey.objects.create(pod=pod, app=app, name=name, digest=digest(pod.pk, app, key), created_by=by)
    log.info("app_key_made", pod=pod.pk, app=app, key=name, by=by.pk)
    return key


def end_key(*, pod: Pod, app: str, name: str, by: User) -> None:
    """The key called `name` counts no longer, from now on."""
    AppKey.objects.filter(pod=pod, app=app, name=name).delete()
    log.info("app_key_ended", pod=pod.pk, app=app, key=name, by=by.pk)


def counting() -> QuerySet[AppKey]:
    """The keys that let somebody in now."""
    return AppKey.objects.filter(Q(ends_at=None) | Q(ends_at__gt=timezone.now()))
