"""What stands around every page of a pod: its state, its addresses, and the bar of the draft."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.accounts.gate import Access, Role
from apps.certificates.models import Certificate
from apps.dashboard.certificate_card import alarms
from apps.dashboard.changes import changes_of
from apps.dashboard.pod_states import pod_state, resting, running
from apps.deployments.models import OPEN_STATES, Deployment
from apps.dns.names import shown
from apps.pods.contents import routes_of
from apps.pods.models import Pod, Revision


@dataclass(frozen=True, slots=True)
class Bar:
    """`seen` is given when the state is older than it should be; `under_way` when a deployment is."""

    state: str
    seen: datetime.datetime | None
    version: int | None
    addresses: tuple[tuple[str, str], ...]
    under_way: Deployment | None
    last: Deployment | None
    draft: Revision | None
    changes: int
    alarms: list[Certificate]


def bar(pod: Pod) -> Bar:
    last = pod.deployments.select_related("revision").order_by("-id").first()
    under_way = pod.deployments.select_related("revision").filter(state__in=OPEN_STATES).order_by("id").first()
    instances = running(pod.workloads.filter(serving=True, stopped_at=None))
    rests = resting(
        stopped=pod.controls.filter(stopped_at__isnull=False).exists(),
        asleep=pod.controls.filter(asleep_since__isnull=False).exists(),
    )
    state = pod_state(live=pod.live_id is not None, last=last.state if last else "", instances=instances, rests=rests)
    draft = pod.draft
    return Bar(
        state="deleting" if pod.deleting_at else state,
        seen=instances.seen if state == "unknown" else None,
        version=pod.live.version if pod.live else None,
        addresses=tuple((shown(host), settings.BRAINPOD.url(host)) for host in _hosts(pod)),
        under_way=under_way,
        last=last,
        draft=draft,
        changes=len(changes_of(pod, draft)) if draft else 0,
        alarms=alarms(pod),
    )


def _hosts(pod: Pod) -> list[str]:
    """Those that lead here; of a live pod those that answer, not what only the draft has."""
    owned = pod.hosts.owned().exclude(route="").exclude(state="misdirected").values_list("host", "route", "custom")
    if not pod.live:
        return [host for host, _, _ in owned]
    routes = routes_of(pod.live.snapshot())
    domains = {domain for route in routes.values() for domain in route.domains}
    return [host for host, route, custom in owned if (host in domains if custom else route in routes)]


def frame(pod: Pod, access: Access) -> dict[str, Any]:
    """The context every page of `pod` has."""
    return {
        "pod": pod,
        "access": access,
        "may_change": access.may(Role.DEVELOPER) and not pod.deleting_at,
        "may_delete": access.may(Role.ADMIN) and not pod.deleting_at,
        "bar": bar(pod),
    }
