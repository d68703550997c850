"""What the pages of a team's connections show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from apps.accounts.models import Team
from apps.connections.models import Connection, Provider, best
from apps.core.errors import Invalid
from apps.pods.models import Resource, Revision
from apps.sources.urls import check_url

PASTE = {
    Provider.GITHUB: "At GitHub, in the repository: Settings, Deploy keys, Add deploy key. Leave write access off.",
    Provider.GITLAB: "At GitLab, in the project: Settings, Repository, Deploy keys. Leave write access off.",
    Provider.BITBUCKET: "At Bitbucket, in the repository: Repository settings, Access keys, Add key.",
    Provider.GITEA: "In the repository: Settings, Deploy keys, Add deploy key. Leave write access off.",
    Provider.OTHER: "Let it read the repository: on a plain server a line in the git user's authorized_keys.",
}


@dataclass(frozen=True, slots=True, order=True)
class Served:
    pod: str
    app: str
    repo: str


def served(team: Team, connections: Iterable[Connection]) -> dict[str, list[Served]]:
    """By connection: the apps whose repositories it is shown for, in what is live, deployed last or drafted."""
    connections = list(connections)
    pods = team.pods.filter(deleting_at=None)
    named = {pk for pair in pods.values_list("live_id", "head_id") for pk in pair if pk}
    named |= set(Revision.objects.filter(pod__in=pods, sealed_at=None).values_list("pk", flat=True))
    found: dict[str, set[Served]] = defaultdict(set)
    for row in Resource.objects.filter(kind="App", revision__in=named).select_related("revision__pod"):
        repo = row.spec.get("source", {}).get("repo", "")
        try:
            parsed = check_url(repo, allowed=settings.BRAINPOD.networks)
        except Invalid:
            continue
        if connection := best(connections, parsed):
            found[connection.pk].add(Served(row.revision.pod.name, row.name, repo))
    return {pk: sorted(rows) for pk, rows in found.items()}


def removal(connection: Connection, rows: list[Served]) -> str:
    """What is asked before it is removed."""
    pods = sorted({row.pod for row in rows})
    if not pods:
        return f"Remove {connection.name}? No pod uses it now."
    named = ", ".join(pods[:5]) + (f" and {len(pods) - 5} more" if len(pods) > 5 else "")
    return f"Remove {connection.name}? Its secret is forgotten, and {named} can no longer clone with it."
