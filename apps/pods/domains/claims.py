"""Which pods claim which domains. All of it runs with the pod's row locked."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.utils import timezone

from apps.core.errors import Detail, Invalid
from apps.dns.names import zone_of
from apps.pods.models import DomainProof, DomainState, HostName, Pod, Revision

MOST_UNPROVEN = 200  # of a team: each of them is looked up again and again


def named_by(revision: Revision | None) -> dict[str, str]:
    """The domains of a revision, each with the route that has it."""
    if revision is None:
        return {}
    rows = revision.resources.filter(kind="Route").values_list("name", "spec__domains")
    return {host: route for route, hosts in rows for host in hosts or ()}


def claim(pod: Pod, domains: Mapping[str, str]) -> None:
    """Have `pod` claim the `domains` (each with its route): a claim keeps nobody else from proving the same.

    Raises Invalid naming `domains` for a team with too many that it has not proven.
    """
    now = timezone.now()
    for host, route in domains.items():
        DomainProof.objects.get_or_create(team=pod.team, host=host, defaults={"zone": zone_of(host)})
        fresh = {"state": DomainState.PENDING, "claimed_at": now, "changed_at": now, "check_at": now}
        row, made = HostName.objects.get_or_create(
            pod=pod, host=host, defaults={"custom": True, "route": route} | fresh
        )
        if not made and row.state == DomainState.EXPIRED:
            HostName.objects.filter(pk=row.pk, state=DomainState.EXPIRED).update(**fresh)
        if not made and row.route != route:
            HostName.objects.filter(pk=row.pk).update(route=route)
    unproven = HostName.objects.filter(custom=True, verified_at=None, pod__team=pod.team)
    if domains and unproven.count() > MOST_UNPROVEN:
        raise Invalid(
            [
                Detail(
                    "domains",
                    f"are too many: a team may have {MOST_UNPROVEN} that it has not proven. Prove some first.",
                )
            ]
        )


def claim_all(pod: Pod, revision: Revision) -> None:
    """What `revision` needs that an earlier release gave up."""
    claim(pod, named_by(revision))


def release_unused(pod: Pod) -> list[HostName]:
    """Give up what neither the draft, nor what is live, nor what was deployed last names; returned is what was proven.

    Whoever wants a released domain next has to prove it, this pod too.
    """
    pod = Pod.objects.select_related("live", "head").get(pk=pod.pk)
    wanted = named_by(pod.draft) | named_by(pod.live) | named_by(pod.head)
    released = list(pod.hosts.filter(custom=True).exclude(host__in=wanted))
    HostName.objects.filter(pk__in=[row.pk for row in released]).delete()
    return [row for row in released if row.verified_at]


def target_of(proof: DomainProof) -> str:
    """Where a CNAME leads that proves the domain: no name of a pod looks like it."""
    return f"brainpod--{proof.token}.{settings.BRAINPOD.domain}"


def text_of(proof: DomainProof) -> str:
    """What the TXT record says that proves the domain."""
    return f"brainpod={proof.token}"
