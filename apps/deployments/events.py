"""Telling open pages that a pod changed. A hint, never the truth: pages read the database again."""

from __future__ import annotations

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

log = structlog.get_logger(__name__)


def pod_group(pod_id: str) -> str:
    """The channel group of a pod's pages; messages are {"type": "pod.changed", "deployment": id or None}."""
    return f"pod.{pod_id}"


def changed(pod_id: str, deployment_id: str | None = None) -> None:
    """Tell the pages of a pod, once what is being written is committed."""
    transaction.on_commit(lambda: _send(pod_id, deployment_id))


def _send(pod_id: str, deployment_id: str | None) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(pod_group(pod_id), {"type": "pod.changed", "deployment": deployment_id})
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the broker, the deployment goes on
        log.info("event_not_sent", pod=pod_id, error=str(error))
