"""`page_many`: pages of a team with 200 pods of 500 revisions each, one after the other, against one pod of two.

The pods were deployed 500 times and run nothing now: 100,000 revisions and as many deployments, in rows alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Membership, Team, User
from apps.accounts.roles import Role
from apps.deployments.models import Deployment, Trigger
from apps.pods import kinds
from apps.pods.models import Pod, Resource, Revision
from bench import load
from bench.ground import Ground
from bench.row import Row

TARGET = 0.1  # seconds, p95 of the slowest page
PODS, REVISIONS = 200, 500
PAGES = {
    "home": "/",
    "a pod": "/pods/{pod}/",
    "its revisions": "/pods/{pod}/revisions/",
    "its deployments": "/pods/{pod}/deployments/",
    "a search": "/search/?q={pod}",
}


def measure(ground: Ground) -> Row:
    large, small = _team(ground, "many", PODS, REVISIONS), _team(ground, "few", 1, 2)
    cookies = [ground.cookie(user) for user in (large, small)]
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in PAGES}
    for _ in range(ground.rounds):
        for name, path in PAGES.items():
            pair = []
            for team, cookie in zip(("many", "few"), cookies, strict=True):
                place = str(ground.platform.state / "run" / "pages.sock")
                ask = load.full(
                    place, "localhost", path.format(pod=f"{team}-0"), cookie=cookie, clients=1,
                    seconds=ground.seconds / 5,
                )  # fmt: skip
                pair.append(asyncio.run(ask).slow95)
            seen[name].append((pair[0], pair[1]))
    middle = {name: sorted(found)[len(found) // 2] for name, found in seen.items()}
    slowest = max(middle, key=lambda name: middle[name][0])
    many, few = middle[slowest]
    return Row(
        "page_many", "ms, p95", many * 1000, f"≤ {TARGET * 1000:.0f} ms", many <= TARGET, few * 1000,
        "the same page with one pod of two revisions",
        {name: [one for one, _ in found] for name, found in seen.items()},
        details={
            "the slowest": slowest,
            **{name: f"{one * 1000:.0f} ms, with one pod {more * 1000:.0f} ms" for name, (one, more) in middle.items()},
        },
    )  # fmt: skip


def _team(ground: Ground, name: str, pods: int, revisions: int) -> User:
    """Its owner."""
    assert ground.team
    team = Team.objects.create(slug=name, name=name)
    owner = User.objects.create(email=f"{name}@example.com", name=name)
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    made = Pod.objects.bulk_create(Pod(team=team, name=f"{name}-{number}", created_by=owner) for number in range(pods))
    for pod in made:
        with transaction.atomic():
            _history(pod, owner, revisions)
    return owner


def _history(pod: Pod, owner: User, revisions: int) -> None:
    now = timezone.now()
    rows = Revision.objects.bulk_create(
        Revision(pod=pod, version=version, summary=f"Change {version}", author=owner, sealed_at=now)
        for version in range(1, revisions + 1)
    )
    Resource.objects.bulk_create(resource for row in rows for resource in _resources(row))
    Deployment.objects.bulk_create(
        Deployment(
            pod=pod,
            revision=row,
            trigger=Trigger.MANUAL,
            actor=owner,
            state="cancelled",
            started_at=now,
            finished_at=now,
        )
        for row in rows
    )
    Pod.objects.filter(pk=pod.pk).update(head=rows[-1])


def _resources(revision: Revision) -> Iterator[Resource]:
    app = {"source": {"repo": "https://github.com/octo/shop.git", "commit": f"{revision.version:040x}"}}
    yield Resource(revision=revision, kind="App", name="web", spec=kinds.get("App").parse(app, team="many"))
    rules = {"rules": [{"path": "/", "app": "web"}]}
    yield Resource(revision=revision, kind="Route", name="site", spec=kinds.get("Route").parse(rules, team="many"))
