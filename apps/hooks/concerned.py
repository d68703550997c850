"""Which pods of a team a delivery concerns that came to no pod's own address: found with as many queries for a
thousand pods as for one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from apps.accounts.models import Team
from apps.builds.inputs import has_source
from apps.deployments.models import OPEN_STATES, Deployment
from apps.hooks.providers.base import Event, Push
from apps.hooks.repositories import repositories, repository
from apps.pods.models import Lineage, Pod, Resource
from apps.previews.models import Preview, PreviewState
from apps.previews.pull_requests import PullRequest


def concerned(team: Team, told: Sequence[Event]) -> list[Pod]:
    """Those that follow a push, and those that a pull request may have a preview of, or has one still.

    A preview follows its pull request alone: no push is for it. A child has no previews of its own.
    """
    pushed = {name for event in told if isinstance(event, Push) for name in repositories(event.repository_urls)}
    pulls = [(repositories(event.repository_urls), event.number) for event in told if isinstance(event, PullRequest)]
    if not pushed and not pulls:
        return []
    pods = list(team.pods.filter(deleting_at=None))
    built = _built(pods)
    asked = {name for names, _ in pulls for name in names}
    previewed = _previewed(team, pulls)
    return [
        pod
        for pod in pods
        if (built[pod.pk] & pushed and pod.lineage != Lineage.PREVIEW)
        or (not pod.lineage and (built[pod.pk] & asked or pod.pk in previewed))
    ]


def _built(pods: Sequence[Pod]) -> dict[str, set[str]]:
    """By pod, the repositories of its apps: as they will be soon, else as they are live or were deployed last; and as
    they are live, which is what previews are made from.
    """
    under_way = Deployment.objects.filter(pod__in=[pod.pk for pod in pods], state__in=OPEN_STATES, cancel_at=None)
    soon = dict(under_way.order_by("id").values_list("pod_id", "revision_id"))
    owners = {pk: pod.pk for pod in pods for pk in (soon.get(pod.pk) or pod.live_id or pod.head_id, pod.live_id) if pk}
    found: dict[str, set[str]] = defaultdict(set)
    for app in Resource.objects.filter(kind="App", revision__in=owners):
        if has_source(app):
            found[owners[app.revision_id]].add(repository(app.spec["source"]["repo"]))
    return found


def _previewed(team: Team, pulls: Sequence[tuple[list[str], int]]) -> set[str]:
    """The pods with a preview of one of these that was not closed, whatever they are built from by now."""
    rows = Preview.objects.filter(parent__team=team, number__in=[number for _, number in pulls])
    rows = rows.exclude(state=PreviewState.CLOSED)
    named = {(name, number) for names, number in pulls for name in names}
    return {
        pod for pod, name, number in rows.values_list("parent_id", "repository", "number") if (name, number) in named
    }
