"""What was announced, written down for every endpoint that wants it, in the transaction of the change itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Team
from apps.core.announce import Announcement
from apps.deployments.wake import wake
from apps.notify.models import Delivery, Endpoint, Message, State
from apps.pods.models import Pod

SEND = "notify.send"
TIDY = "notify.tidy"
MOST_WAITING = 1000  # deliveries of one endpoint; what comes beyond is not kept for it

log = structlog.get_logger(__name__)


def take(told: Announcement) -> None:
    """Write `told` down for whoever is to hear it; nothing where nobody is."""
    mine = Q(all_pods=True) | Q(pods=told.pod_id)
    found = Endpoint.objects.filter(mine, team__pods=told.pod_id, team__pods__deleting_at=None, enabled=True).distinct()
    wanting = [endpoint for endpoint in found if endpoint.wants(told.event) and _has_room(endpoint)]
    if not wanting:
        return
    pod = Pod.objects.select_related("team").get(pk=told.pod_id)
    address = settings.BRAINPOD.public_address + reverse(told.page[0], args=told.page[1:])
    data = {"pod": {"id": pod.pk, "name": pod.name}, **told.data, "words": told.words, "url": address}
    message = write(team=pod.team, pod=pod, event=told.event, data=data)
    enqueue(message, wanting)


def write(*, team: Team, event: str, data: Mapping[str, Any], pod: Pod | None = None) -> Message:
    """A message, as it will be sent to the byte however often that is tried."""
    pk, now = Message.new_id(), timezone.now()
    body = {
        "id": pk, "event": event, "timestamp": now.isoformat(timespec="milliseconds"),
        "data": {"team": {"slug": team.slug, "name": team.name}, **data},
    }  # fmt: skip
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"), default=str)
    return Message.objects.create(pk=pk, team=team, pod=pod, event=event, body=text)


def enqueue(message: Message, endpoints: Iterable[Endpoint]) -> None:
    Delivery.objects.bulk_create(Delivery(message=message, endpoint=endpoint) for endpoint in endpoints)
    wake(SEND)


def _has_room(endpoint: Endpoint) -> bool:
    if Delivery.objects.filter(endpoint=endpoint, state=State.PENDING).count() < MOST_WAITING:
        return True
    log.warning("notification_dropped", endpoint=endpoint.pk)
    return False
