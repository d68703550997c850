"""A row of every model, in a team of their own, with a value in it wherever something is kept from people."""

from __future__ import annotations

import datetime

from allauth.mfa.models import Authenticator
from django.utils import timezone

from apps.accounts.links import signin_link
from apps.accounts.models import ApiToken, Invitation, SignIn, Team, User
from apps.accounts.roles import Role
from apps.audit import trail
from apps.backups.models import Backup, BackupKey, BackupPlan, Lack, Restore
from apps.builds.models import Artifact, Build, BuildCache, Builder, BuildRun, PushedImage, Runtime
from apps.cdn.models import CloudflareZone
from apps.certificates.models import Certificate, DnsZone
from apps.connections.models import AppHandshake, Grant, Handshake, OAuthApplication
from apps.core.ids import new_id
from apps.deployments.models import AppControl, AppEvent, Deployment, Duty, Job, JobRun, Workload
from apps.disks.models import DiskAction, Snapshot
from apps.disks.models import Restore as DiskRestore
from apps.hooks.models import AppReceipt, Receipt, Tip, Webhook
from apps.infrastructure.models import Allotment, Service, ServiceEvent
from apps.logs.models import LogChunk, LogStream
from apps.metrics.models import Bucket, DiskUsage, Reading, Statements
from apps.notify.models import Delivery, Message
from apps.pods.models import AppKey, DomainProof, Pod, Revision, RoutePassword
from apps.previews.models import Preview, PreviewSettings
from tests.people import join, make_team, make_user

PLANTED = "planted-value-nobody-may-read"


def plant() -> None:
    team = make_team("planted")
    owner = join(team, make_user("owner"), Role.OWNER)
    plant_people(team, owner)
    plant_access(team, owner)
    pod, revision = plant_pod(team, owner)
    plant_team(team, owner, pod)
    build = plant_builds(pod, revision)
    plant_runs(pod, revision, build, owner)
    plant_edge(pod, owner)
    plant_hooks(pod)
    plant_data(pod, owner)


def plant_people(team: Team, owner: User) -> None:
    signin_link(owner)
    trail.note("team.make", by=owner, about=team)
    Invitation.issue(lasts=datetime.timedelta(days=1), team=team, email="x@example.com", role=Role.VIEWER)
    ApiToken.objects.create(
        user=owner, name="deploys", scope="operator", digest=f"{PLANTED}{owner.pk}", start="bp_abcde"
    )
    Authenticator.objects.create(user=owner, type="totp", data={"secret": PLANTED})
    SignIn.objects.create(user=owner, session_key=f"{PLANTED}{owner.pk}", address="203.0.113.5")


def plant_access(team: Team, owner: User) -> None:
    """Of git hosts."""
    connection = team.connections.create(
        kind="oauth", provider="github", host="github.com", name="ours", path=PLANTED, version=1, created_by=owner
    )
    application = OAuthApplication.objects.create(
        provider="github", host=f"{new_id()}.example.org", client_id="us", path=PLANTED
    )
    AppReceipt.objects.create(connection=connection, provider="GitHub", outcome="nothing", verdict="Nothing to do.")
    Grant.objects.create(connection=connection, application=application, account="octo")
    Handshake.objects.create(id=new_id(), session=PLANTED, user=owner, team=team, application=application)
    AppHandshake.objects.create(id=new_id(), session=PLANTED, user=owner, team=team, host="github.com")


def plant_pod(team: Team, owner: User) -> tuple[Pod, Revision]:
    pod = Pod.objects.create(team=team, name=f"p{new_id()}", created_by=owner, webhook_path=PLANTED)
    pod.hosts.create(host=f"{pod.name}.example.com", route="site")
    pod.roles.create(membership=team.memberships.get(), role="viewer")
    revision = pod.revisions.create(version=1, sealed_at=timezone.now(), summary="first", author=owner)
    revision.resources.create(kind="Config", name="settings", spec={"secrets": {"TOKEN": 1}})
    Pod.objects.filter(pk=pod.pk).update(live=revision, head=revision)
    return pod, revision


def plant_team(team: Team, owner: User, pod: Pod) -> None:
    """What a team has beside its people and pods."""
    team.blueprints.create(name="ours", text="version: 1", created_by=owner)
    endpoint = team.endpoints.create(kind="slack", name="ours", shown="https://x/…", path=PLANTED, version=1)
    message = Message.objects.create(pk=Message.new_id(), team=team, pod=pod, event="test", body="{}")
    Delivery.objects.create(message=message, endpoint=endpoint)
    DomainProof.objects.create(team=team, host=f"{new_id()}.example.org", zone="example.org")
    team.terminals.create(user=owner, person="x@example.com", pod_name="p", app="web", instance="web.1", workload="w")


def plant_builds(pod: Pod, revision: Revision) -> Build:
    team = pod.team
    artifact = Artifact.objects.create(team=team, kind="static", manifest={"files": "sha256:0"}, size=5_000_000)
    build = revision.builds.create(app="web", inputs="0", commit="c" * 40, artifact=artifact)
    revision.promotions.create(app="web", build=build)
    Builder.objects.create(name=f"b{new_id()}", region="local", labels=["fast"])
    Runtime.objects.create(daemon=f"d{new_id()}", seen_at=timezone.now())
    PushedImage.objects.create(name=f"registry.example.org/shop-web:{new_id()}", pushed_at=timezone.now())
    BuildRun.objects.create(
        team=team, pod=pod, build=build, pod_name=pod.name, app="web", builder="b", started_at=timezone.now()
    )
    BuildCache.objects.create(team=team, pod=pod, app="web", size=5_000_000, parts={"layers": 5_000_000})
    pod.inspections.create(app="web", inputs="0", repo="https://git.example.com/a/b.git", deadline=timezone.now())
    pod.lookups.create(app="web", repo="https://git.example.com/a/b.git", deadline=timezone.now())
    return build


def plant_runs(pod: Pod, revision: Revision, build: Build, owner: User) -> None:
    """Of a deployment, and of what runs after it."""
    now = timezone.now()
    deployment = Deployment.objects.create(
        pod=pod, revision=revision, trigger="manual", state="failed", error_code="build_failed", actor=owner
    )
    deployment.stages.create(stage="build", app=build.app, state="failed")
    Workload.objects.create(pod=pod, revision=revision, deployment=deployment, app="web", fingerprint="0")
    AppEvent.objects.create(pod=pod, app="web", instance="web.1", kind="restart", words="restarted 1 of 10")
    AppControl.objects.create(pod=pod, app="web", stopped_at=now, stopped_by=owner)
    Job.objects.create(pod=pod, app="web", name="nightly", schedule="@daily", zone="UTC", next_at=now)
    JobRun.objects.create(pod=pod, revision=revision, app="web", job="nightly", actor=owner)
    pod.repository_imports.create(repo="https://git.example.com/a/b.git", actor=owner, deadline=now)
    Duty.objects.create(name=f"teardown:{pod.pk}")
    LogStream.objects.create(name=deployment.stream)
    LogChunk.objects.create(
        stream=deployment.stream, first_seq=1, last_seq=1, first_at=now, last_at=now, size=9, data=PLANTED.encode()
    )


def plant_edge(pod: Pod, owner: User) -> None:
    Certificate.objects.create(host=f"{new_id()}.example.com")
    DnsZone.objects.create(zone=f"{new_id()}.example.com", provider="cloudflare", path=PLANTED)
    CloudflareZone.objects.create(pod=pod, zone="0" * 32, version=1, set_by=owner)
    RoutePassword.objects.create(pod=pod, route="web", version=1, hashed=PLANTED)
    AppKey.objects.create(pod=pod, app="web", name=new_id()[-8:], digest=PLANTED[:22], created_by=owner)


def plant_hooks(pod: Pod) -> None:
    """Of what git hosts tell, and are told."""
    Webhook.objects.create(pod=pod, version=1).app_secrets.create(app="web", turn=1)
    Tip.objects.create(pod=pod, app="web", repository="example.com/a/b", branch="main", head="c" * 40)
    Receipt.objects.create(pod=pod, provider="GitHub", outcome="nothing", verdict="Nothing to do.")
    pod.reports.create(kind="status", repository="https://x.org/a/b", subject="f" * 40, key="x", url="https://x.org")
    pod.registrations.create(team=pod.team, repository="x.org/a/b", address="https://x.org", version=1)
    PreviewSettings.objects.create(pod=pod, enabled=True)
    Preview.objects.create(
        parent=pod, name="x-pr-1", repository="example.com/a/b", number=1, ref="refs/pull/1/head", head_sha="c" * 40,
        state="open", active_at=timezone.now(),
    )  # fmt: skip


def plant_data(pod: Pod, owner: User) -> None:
    """Of what keeps a pod's data: figures, shared servers, disks, databases, backups."""
    team = pod.team
    Bucket.objects.create(pod=pod.pk, app="web", step=15, start=15)
    DiskUsage.objects.create(pod=pod.pk, disk="data", measured_at=timezone.now())
    Statements.objects.create(pod=pod.pk, database="db", said_at=timezone.now())
    Reading.objects.create(source=f"host {pod.pk}")
    service = Service.objects.create(name=f"s{new_id()}", type="redis", managed=False, path=PLANTED, secret=1)
    Allotment.objects.create(service=service, pod=pod, pod_name=pod.name, team_name="ours", resource="db", database="d")
    ServiceEvent.objects.create(service="main", kind="start", words="Started", actor=owner)
    snapshot = Snapshot.objects.create(pod=pod, disk="data", note="before")
    DiskRestore.objects.create(pod=pod, disk="data", snapshot=snapshot, target="data", actor=owner)
    DiskAction.objects.create(team=team, pod=pod, pod_name=pod.name, disk="data", person="x@example.com", did="Deleted")
    team.database_entries.create(
        pod=pod, server="db", user=owner, person="x@example.com", kind="query", words="SELECT 1"
    )
    pod.saved_statements.create(server="db", name="all", text="SELECT 1")
    BackupKey.objects.create(recipient="age1", path=PLANTED, version=1)
    BackupPlan.objects.create(pod=pod, name="db", schedule="@daily", next_at=timezone.now())
    Lack.objects.create(pod=pod, name="db", kind="PostgresDB", since=timezone.now())
    backup = Backup.objects.create(pod=pod, name="db", kind="PostgresDB", actor=owner)
    Restore.objects.create(pod=pod, backup=backup, target="db", actor=owner)
