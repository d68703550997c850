"""That a page asks the database no more questions when there is more to list: every page, with 2 and with 12 of all."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit import trail
from apps.backups.models import Backup
from apps.connections.models import Connection
from apps.deployments.models import AppControl, AppEvent, Deployment, JobRun, Workload
from apps.disks.models import Snapshot
from apps.hooks.models import Webhook
from apps.notify.models import Delivery, Endpoint, Message
from apps.pods.models import Pod, Revision
from apps.previews.models import Preview
from tests.dashboard.access_matrix import World, _invitation, _owner, build_world, routes
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
REPO = "https://git.example.com/a/b.git"


def grow(world: World, numbers: range) -> None:
    """Of everything that pages list, one for each number."""
    for number in numbers:
        grow_team(world, number)
        grow_elsewhere(world, number)
        grow_resources(world.pod, number)
        grow_history(world.pod, number, _owner(world))
        grow_app(world, number)


def grow_team(world: World, number: int) -> None:
    team, owner = world.team, _owner(world)
    member = join(team, make_user(f"member{number}"), Role.DEVELOPER)
    world.pod.roles.create(membership=team.memberships.get(user=member), role="viewer")
    _invitation(world)
    tokens.make(user=owner, name=f"t{number}", team=team)
    trail.note("team.rename", by=member, about=team)
    Connection.objects.create(
        team=team, kind="token", provider="github", host="github.com", name=f"c{number}", path="x", version=1
    )
    place = {"kind": "email", "name": f"e{number}", "shown": "x@example.com", "path": "x", "version": 1}
    Endpoint.objects.create(team=team, **place)
    message = Message.objects.create(pk=Message.new_id(), team=team, pod=world.pod, event="test", body="{}")
    Delivery.objects.create(message=message, endpoint_id=world.words["endpoint"])
    team.blueprints.create(name=f"b{number}", text="version: 1", created_by=member)
    team.terminals.create(
        user=member, person=member.email, pod=world.pod, pod_name=world.pod.name, app="web", instance="web.1",
        workload=world.words["workload"],
    )  # fmt: skip


def grow_elsewhere(world: World, number: int) -> None:
    """Another pod of the team, whose apps run."""
    pod = Pod.objects.create(team=world.team, name=f"{world.pod.name}-{number}", created_by=_owner(world))
    row = pod.revisions.create(version=1, sealed_at=timezone.now(), author=_owner(world))
    row.resources.create(kind="App", name="web", spec={"source": {"repo": REPO}})
    Pod.objects.filter(pk=pod.pk).update(live=row, head=row)
    made = Deployment.objects.create(pod=pod, revision=row, trigger="manual", state="failed", actor=_owner(world))
    Deployment.objects.create(pod=pod, revision=row, trigger="manual", state="pending")
    Workload.objects.create(pod=pod, revision=row, deployment=made, app="web", fingerprint="f", serving=True)


def grow_resources(pod: Pod, number: int) -> None:
    """In what is live, and a little otherwise in the draft."""
    for row, size in ((pod.live, 5), (pod.draft, 6)):
        assert row is not None
        made = {
            "App": {"source": {"repo": REPO}, "env": [{"name": "A", "value": f"${{db{number}.url}}-{size}"}]},
            "Route": {"rules": [{"path": "/", "app": f"app{number}"}], "hostname": f"r{number}.example.com"},
            "Config": {"variables": [{"name": "A", "value": str(size)}]},
            "Disk": {"size": size},
            "PostgresDB": {"disk": f"disk{number}", "credentials": 1},
        }
        for kind, name in (("App", "app"), ("Route", "route"), ("Config", "config"), ("Disk", "disk"),
                           ("PostgresDB", "db")):  # fmt: skip
            row.resources.create(kind=kind, name=f"{name}{number}", spec=made[kind])
    AppControl.objects.create(pod=pod, app=f"app{number}")


def grow_history(pod: Pod, number: int, by: User) -> None:
    row = pod.revisions.create(version=number + 2, sealed_at=timezone.now(), author=by, summary="more")
    Deployment.objects.create(
        pod=pod, revision=row, trigger="manual", state="failed", actor=by, finished_at=row.sealed_at
    )
    row.builds.create(app="web", inputs=str(number), commit=f"{number:040x}", built_at=row.sealed_at)
    pod.receipts.create(provider="github", outcome="nothing", verdict="x", deployment=pod.deployments.first())
    pod.registrations.create(team=pod.team, repository=f"x.org/a/{number}", address="https://x.org", version=1)
    Preview.objects.create(
        parent=pod, name=f"x-pr-{number}", repository="example.com/a/b", number=number, ref="r", head_sha="c" * 40,
        state="open", active_at=row.sealed_at,
    )  # fmt: skip


def grow_app(world: World, number: int) -> None:
    pod, row, by = world.pod, world.pod.live, _owner(world)
    made = pod.deployments.get(pk=world.words["deployment"])
    made.stages.create(stage="build", app=f"app{number}", state="passed")
    Workload.objects.create(pod=pod, revision=row, deployment=made, app="web", fingerprint=f"{number}", serving=True)
    AppEvent.objects.create(pod=pod, app="web", instance="web.1", kind="restart", words="again", actor=by)
    JobRun.objects.create(pod=pod, revision=row, app="web", job="nightly", actor=by)
    Snapshot.objects.create(pod=pod, disk="data", actor=by, state="ready")
    Backup.objects.create(pod=pod, name="db", kind="PostgresDB", actor=by, file=f"f{number}", state="completed")


def _draft(pod: Pod) -> Revision:
    row = pod.revisions.create(parent=pod.live)
    assert pod.live is not None
    for one in pod.live.resources.all():
        row.resources.create(kind=one.kind, name=one.name, spec=one.spec)
    return row


def asked(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as caught:
        client.get(address)
    return [re.sub(r"\d+|'[^']*'", "?", query["sql"]) for query in caught]


def test_no_page_asks_more_when_there_is_more() -> None:
    world = build_world()
    _draft(world.pod)
    Webhook.objects.create(pod=world.pod, version=1)
    client = Client(raise_request_exception=False)
    client.force_login(_owner(world))
    addresses = {
        route.name: route.address(world)
        for route in routes()
        if route.rule and route.rule.kind in ("team", "pod", "signed_in") and not route.is_admin
    }
    for part in ("metrics", "configuration", "deployments"):
        addresses[f"resource, {part}"] = f"{addresses['resource'].replace('settings', 'web')}?tab={part}"
    addresses["resource, a disk"] = addresses["resource"].replace("settings", "data")
    addresses["resource, an app"] = addresses["resource"].replace("settings", "web")
    grow(world, range(2))
    few = {name: asked(client, address) for name, address in addresses.items()}
    grow(world, range(2, 12))
    more = {name: asked(client, address) for name, address in addresses.items()}
    grown = {}
    for name, queries in more.items():
        if len(queries) > len(few[name]):
            again = [one for one in set(queries) if queries.count(one) > few[name].count(one)]
            grown[name] = (len(few[name]), len(queries), [one[:300] for one in again])
    assert not grown
