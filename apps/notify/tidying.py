"""What is too old to be of use."""

from __future__ import annotations

import datetime

from django.utils import timezone

from apps.notify.models import Message

KEPT = datetime.timedelta(days=30)
BATCH = 2000  # dropped at once; the next hour drops the next


def tidy() -> None:
    """Drop messages of more than a month ago, with their deliveries."""
    old = Message.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("created_at")
    Message.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()
