"""How it stands with the domains of a revision, in words: for plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apps.core.errors import Detail
from apps.dns.names import shown
from apps.pods.contents import routes_of
from apps.pods.models import DomainProof, DomainState, HostName, Pod, Snapshot

Change = tuple[str, str, str]  # the domain, what is done, the consequence


def domains_of(snapshot: Snapshot) -> dict[str, str]:
    """The domains of a snapshot, each with the route that has it."""
    return {host: name for name, route in routes_of(snapshot).items() for host in route.domains}


def changes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """What goes, comes and moves, in the order of names."""
    old, new = domains_of(before), domains_of(after)
    for host in sorted(old.keys() | new.keys()):
        if host not in new:
            yield (
                host,
                "destroy",
                f"removes domain {shown(host)}: it stops answering, and has to be proven again to return",
            )
        elif host not in old:
            yield host, "create", f"adds domain {shown(host)} to {new[host]}"
        elif old[host] != new[host]:
            yield host, "update", f"domain {shown(host)} moves from {old[host]} to {new[host]}"


def asides(pod: Pod, hosts: Iterable[str]) -> dict[str, str]:
    """Of those of `hosts` that would not simply answer: why, as far as it is anything of this team's to know."""
    wanted = list(hosts)
    if not wanted:
        return {}
    claims = {row.host: row for row in HostName.objects.filter(pod=pod, custom=True, host__in=wanted)}
    owners = HostName.objects.owned().filter(host__in=wanted, custom=True).exclude(pod=pod).select_related("pod")
    others = {row.host: row.pod for row in owners}
    once = set(
        DomainProof.objects.filter(team=pod.team_id, host__in=wanted, proven_at__isnull=False).values_list(
            "host", flat=True
        )
    )
    found = {host: _aside(claims.get(host), others.get(host), pod, again=host in once) for host in wanted}
    return {host: words for host, words in found.items() if words}


def _aside(claim: HostName | None, other: Pod | None, pod: Pod, *, again: bool) -> str:
    if claim and claim.state == DomainState.VERIFIED:
        return ""
    if claim and claim.state == DomainState.MISDIRECTED:
        return "it does not lead here now"
    if other and other.team_id == pod.team_id:
        return f"pod {other.name} has it: it answers here once it is taken out there"
    if other:
        return "somebody else on this platform has proven it: it answers here once it is proven here"
    return "it has to be proven again" if again and claim is None else "not yet proven"


def problems(snapshot: Snapshot) -> Iterator[Detail]:
    """A domain leads to one route of a pod."""
    seen: dict[str, str] = {}
    for name, route in routes_of(snapshot).items():
        for index, host in enumerate(route.domains):
            if host in seen:
                yield Detail(f"{name}.domains.{index}", f"{shown(host)} is a domain of {seen[host]} too: remove one.")
            seen.setdefault(host, name)
