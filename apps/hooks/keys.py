"""The keys that sign a pod's deliveries: made here, kept in the secret store."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

import structlog

from apps.core.errors import PlatformError, Unavailable
from apps.hooks.models import AppSecret, Webhook
from apps.secretstore import secrets as store

log = structlog.get_logger(__name__)
POD = re.compile(r"[0-9a-z]{16}")
_NOBODY = "0" * 16
NEW, OLD = "new", "old"  # the names of the two keys in one version


def path_of(pod_id: str) -> str:
    return f"pods/{pod_id}/webhook"


def make() -> str:
    return secrets.token_urlsafe(32)


def of_app(key: str, app: str, turn: int = 0) -> str:
    """The key of one app's own address. It follows from the pod's, so that it is made anew along with it; the pod's
    does not follow from it, nor does that of another `turn`. No app: the pod's own.
    """
    words = f"webhook of app {app}{f', {turn}' if turn else ''}"
    made = hmac.new(key.encode(), words.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=") if app else key


def turn_of(webhook: Webhook, app: str) -> int:
    row = webhook.app_secrets.filter(app=app).first() if app else None
    return row.turn if row else 0


def keys_of(pod_id: str, app: str = "") -> tuple[str, ...]:
    """The keys that count for a pod's webhook, or for that of one app: the present one, and each it replaced of late.

    Four of an app, as its pod's may have been replaced, and its own besides.

    For a pod that is not there or has none: keys nobody knows, found with the same steps, so that an answer and the
    time it takes do not tell which pods exist. Raises Unavailable when the store does not answer.
    """
    pod_id = pod_id if POD.fullmatch(pod_id) else _NOBODY
    row = Webhook.objects.filter(pod=pod_id, pod__deleting_at=None).first()
    try:
        kept = store().read(path_of(pod_id), row.version if row else 1)
    except Unavailable:
        raise
    except PlatformError as error:
        if row:
            log.error("webhook_key_missing", pod=pod_id, error=str(error))
        kept = {}
    known = kept if row else {}
    old = known.get(OLD) if row and row.old_counts else ""
    pods = (known.get(NEW) or make(), old or make())
    if not app:
        return pods
    own = AppSecret.objects.filter(webhook__pod=pod_id, app=app).first()
    turn = own.turn if own else 0
    return (
        *(of_app(key, app, turn) for key in pods),
        *(of_app(key if own and own.old_counts else make(), app, max(turn - 1, 0)) for key in pods),
    )
