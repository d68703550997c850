"""What the settings of a pod show of its webhook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from apps.builds.inputs import has_source
from apps.hooks.models import AppSecret, Receipt, Registration, Webhook
from apps.hooks.registering import address_of, repositories_of, teller, tells_itself
from apps.pods.models import Pod, Resource

SHOWN = 5  # in the settings; the inbox has them all


@dataclass(frozen=True, slots=True)
class Place:
    """A repository of the pod's. `row` is None where the platform has not registered the webhook; `app`: the GitHub
    App that tells of its pushes, so that none is needed.
    """

    repository: str
    row: Registration | None
    app: str


@dataclass(frozen=True, slots=True)
class Own:
    """Where deliveries are judged for one app alone. `secret`: that it was replaced alone, if it was."""

    address: str
    secret: AppSecret | None


def own_hook(pod: Pod, app: Resource) -> Own | None:
    """None where the pod has no webhook, or the app no repository."""
    if app.kind != "App" or not has_source(app) or not Webhook.objects.filter(pod=pod).exists():
        return None
    return Own(address_of(pod, app.name), AppSecret.objects.filter(webhook__pod=pod, app=app.name).first())


@dataclass(frozen=True, slots=True)
class Panel:
    """`row` is None for a pod without one. `is_local`: no git host on the internet can reach `address`. `places`: where
    the webhook can be registered, or is.
    """

    row: Webhook | None
    address: str
    is_local: bool
    receipts: list[Receipt]
    places: list[Place]


def panel(pod: Pod) -> Panel:
    return Panel(
        row=Webhook.objects.filter(pod=pod).first(),
        address=address_of(pod),
        is_local=settings.BRAINPOD.dashboard_host.rpartition(".")[2] == "localhost",
        receipts=list(Receipt.objects.filter(pod=pod).select_related("deployment")[:SHOWN]),
        places=list(_places(pod)),
    )


def _places(pod: Pod) -> Iterator[Place]:
    rows = {row.repository: row for row in pod.registrations.all()}
    for name in repositories_of(pod):
        connection = teller(pod.team_id, name)
        if name in rows or connection:
            app = connection.name if connection and tells_itself(connection) else ""
            yield Place(name, rows.get(name), app)
