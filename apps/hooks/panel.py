"""What the settings of a pod show of its webhook."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from apps.hooks.models import Receipt, Webhook
from apps.pods.models import Pod

SHOWN = 5  # in the settings; the inbox has them all


@dataclass(frozen=True, slots=True)
class Panel:
    """`row` is None for a pod without one. `is_local`: no git host on the internet can reach `address`."""

    row: Webhook | None
    address: str
    is_local: bool
    receipts: list[Receipt]


def panel(pod: Pod) -> Panel:
    config = settings.BRAINPOD
    return Panel(
        row=Webhook.objects.filter(pod=pod).first(),
        address=config.public_address + reverse("hook", kwargs={"pod": pod.pk}),
        is_local=config.dashboard_host.rpartition(".")[2] == "localhost",
        receipts=list(Receipt.objects.filter(pod=pod).select_related("deployment")[:SHOWN]),
    )
