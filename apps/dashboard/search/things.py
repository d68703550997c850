"""Pods, what they are made of, their domains, and teams: by their names."""

from __future__ import annotations

from collections.abc import Iterator

import idna

from apps.dashboard.environment import url
from apps.dashboard.search.asked import Asked
from apps.dashboard.search.words import WITHIN, WORD, Hit, fit
from apps.dns.names import shown
from apps.pods.models import HostName, Resource

ICONS = {"App": "box", "Route": "route", "Disk": "database", "Config": "settings"}


def pods(asked: Asked) -> Iterator[Hit]:
    for pod in asked.pods.values():
        rank = fit(asked.words, pod.name)
        if rank is not None:
            yield Hit(pod.name, url("pod", pod.name), "stack-2", pod.team.name, rank)


def resources(asked: Asked) -> Iterator[Hit]:
    """By their own name, with the pod's or the kind's as further words: `shop web`, `web app`."""
    whose = {revision: pod for pod in asked.pods.values() for revision in pod.revisions}
    seen = set()
    rows = Resource.objects.filter(revision__in=list(whose)).order_by()
    for revision, kind, name in sorted(rows.values_list("revision_id", "kind", "name"), reverse=True):
        pod = whose[revision]
        if (pod.id, name) in seen:
            continue
        seen.add((pod.id, name))
        rank = fit(asked.words, name, pod.name, kind)
        if rank is not None and any(fit([word], name, kind) is not None for word in asked.words):
            yield Hit(
                name, url("resource", pod.name, name), ICONS.get(kind, "server"), f"{kind} in {pod.name}",
                rank,
            )  # fmt: skip


def domains(asked: Asked) -> Iterator[Hit]:
    """Routes by the names they answer to, and by those claimed for them."""
    text = " ".join(asked.words)
    try:
        wanted = idna.encode(text, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        wanted = text
    rows = HostName.objects.filter(pod__in=list(asked.pods), host__contains=wanted).exclude(route="")
    for pod_id, host, route in rows.order_by("host").values_list("pod_id", "host", "route")[:50]:
        pod = asked.pods[pod_id]
        rank = WORD if host.startswith(wanted) else WITHIN
        address = url("resource", pod.name, route)
        yield Hit(shown(host), address, "world", f"{route} in {pod.name}", rank)


def teams(asked: Asked) -> Iterator[Hit]:
    for team in asked.teams.values():
        rank = fit(asked.words, team.name)
        if rank is not None:
            yield Hit(team.name, url("team", team.slug), "users-group", "team", rank)
