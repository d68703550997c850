"""Every route with what it takes to ask for it. A route that has no row here fails test_access.py.

Who may do what is not written here: it is read from the view's `access` (apps/dashboard/access.py). A row only says
how to build the address; most need nothing but the words of COMMON.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from apps.accounts.links import signin_link
from apps.accounts.models import Invitation, Team, User
from apps.accounts.roles import Role
from apps.backups.models import Backup
from apps.certificates.models import Certificate
from apps.connections.models import Connection, OAuthApplication
from apps.core.ids import new_id
from apps.dashboard.access import Rule
from apps.dashboard.database_urls import PAGES
from apps.deployments.jobs.follow import follow
from apps.deployments.models import Deployment, JobRun, Workload
from apps.disks.models import Snapshot
from apps.infrastructure.models import Service
from apps.notify.models import Endpoint
from apps.pods.models import Pod
from apps.terminals.models import TerminalSession
from tests.people import join, make_team, make_user

PUBLIC = Rule("public")
STAFF = Rule("staff")


@dataclass
class World:
    """A team with everybody in it, one pod with a live revision, and people who have no business there."""

    team: Team
    people: dict[str, User | None]
    pod: Pod
    words: dict[str, Any] = field(default_factory=dict)


def build_world() -> World:
    team = make_team("home")
    people: dict[str, User | None] = {"anonymous": None}
    for role in Role:
        people[role.value] = join(team, make_user(role.value), role)
    people["stranger"] = join(make_team("elsewhere"), make_user("stranger"), Role.OWNER)
    people["removed"] = join(team, make_user("removed"), Role.OWNER)
    team.memberships.filter(user=people["removed"]).delete()
    people["inactive"] = join(team, make_user("inactive", is_active=False), Role.OWNER)
    people["operator"] = make_user("operator", is_staff=True, is_superuser=True)
    pod = Pod.objects.create(team=team, name=f"p{team.pk}", created_by=people["owner"])
    revision = pod.revisions.create(version=1, sealed_at=pod.created_at, summary="first")
    revision.resources.create(kind="Config", name="settings", spec={})
    job = {"name": "nightly", "schedule": "@daily", "command": "true", "overlap": "allow"}
    revision.resources.create(kind="Disk", name="data", spec={"size": 5})
    app = {"source": {"repo": "https://git.example.com/a/b.git"}, "jobs": [job]}
    revision.resources.create(kind="App", name="web", spec=app)
    pod.live = pod.head = revision
    pod.save()
    deployment = Deployment.objects.create(pod=pod, revision=revision, trigger="manual", state="ready")
    workload = Workload.objects.create(pod=pod, revision=revision, app="web", fingerprint="f", deployment=deployment)
    follow(pod.pk, revision)
    lookup = pod.lookups.create(app="web", repo="https://git.example.com/a/b.git", deadline=pod.created_at)
    run = JobRun.objects.create(pod=pod, revision=revision, app="web", job="nightly")
    connection = Connection.objects.create(
        team=team, kind="token", provider="github", host="github.com", name="ours", path="teams/0/x", version=1
    )
    application = OAuthApplication.objects.create(
        provider="gitlab", host="gitlab.com", client_id="us", path="platform/oauth/0/x"
    )
    backup = Backup.objects.create(pod=pod, name="db", kind="PostgresDB", state="failed", file="db_x")
    endpoint = Endpoint.objects.create(
        team=team, kind="email", name="ours", shown="x@example.com", path="teams/0/x", version=1
    )
    words = {
        "endpoint": endpoint.pk,
        "application": application.pk,
        "connection": connection.pk,
        "team": team.slug,
        "pod": pod.name,
        "name": "settings",
        "kind": "Config",
        "version": 1,
        "deployment": deployment.pk,
        "workload": workload.pk,
        "lookup": lookup.pk,
        "run": run.pk,
        "job": "nightly",
        "backup": backup.pk,
    }
    return World(team, people, pod, words)


@dataclass(frozen=True)
class Row:
    """`words`: what the address needs beyond World.words, made afresh for each use.

    `away`: what it shows does not run in this world, and whoever may see it is told so.
    """

    words: Callable[[World], dict[str, Any]] = lambda world: {}
    away: bool = False


def _invitation(world: World) -> tuple[Invitation, str]:
    return Invitation.issue(
        lasts=datetime.timedelta(days=1), team=world.team, email="guest@example.com", role=Role.VIEWER
    )


def _github_app(world: World) -> str:
    made = world.team.connections.create(
        kind="github_app", provider="github", host="github.com", name=new_id(), app_page="https://github.com/apps/x",
        path="teams/0/y", version=1,
    )  # fmt: skip
    return made.pk


def _owner(world: World) -> User:
    owner = world.people["owner"]
    assert owner is not None
    return owner


def _terminal(world: World) -> str:
    """A session of the viewer's own: everybody in the team may ask to end it or is told that there is none."""
    who = world.people["viewer"]
    assert who is not None
    row = TerminalSession.objects.create(
        team=world.team, user=who, person=who.email, pod=world.pod, pod_name=world.pod.name,
        app="web", instance="web.1", workload=world.words["workload"],
    )  # fmt: skip
    return row.pk


def _snapshot(world: World) -> str:
    return Snapshot.objects.create(pod=world.pod, disk="data", state="ready").pk


def _certified(world: World) -> str:
    """A domain of the pod, proven, whose certificate is waited for."""
    host = f"d{new_id()}.example.com"
    now = timezone.now()
    name = world.pod.hosts.create(host=host, custom=True, state="verified", verified_at=now, route="site")
    Certificate.objects.create(host=host, hostname=name)
    return host


def _blueprint(world: World) -> str:
    return world.team.blueprints.create(name=f"b{new_id()}"[:40], text="version: 1").name


def _import(world: World) -> str:
    row = world.pod.repository_imports.create(repo=f"brainpod:x/{new_id()}", deadline=timezone.now())
    return str(row.pk)


def _service() -> str:
    """One that is far away, and is not waited for."""
    return Service.objects.create(name=f"s{new_id()}", type="redis", managed=False, host="127.0.0.1", port=1).name


def _token(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[1]


PLAIN = """
audit team-audit home search gallery healthz readyz operators-login sign-in sign-out
account account-name account-password account-theme account-tokens service-practices
second-step second-step-options sign-in-passkey sign-in-passkey-options team-second-factor
account-proof account-proof-options account-second-factor account-app account-app-removal account-recovery-codes
account-passkeys account-passkey-options account-sessions
teams team team-name team-tokens team-usage team-invitations
pods pod-new pod pod-bar staging pod-settings pod-region pod-engine pod-deletion
cloudflare cloudflare-purges
resource-kinds resource-new resource resource-deletion
workload-log draft draft-discard deployments deployment cancellation remedy deployment-log deployment-log-text
revisions revision previews preview-settings webhook webhook-secret webhook-rotation webhook-deliveries
terminals git-access git-access-connection git-access-check git-access-secret git-access-sign-in
git-access-app git-access-app-callback git-access-app-install git-access-app-setup
git-access-reconnect git-access-callback build-cache kept-answers pod-lifecycle app-lifecycle
platform-status platform-backups pod-backups backup backup-restores backup-drills backup-content
database-password database-rotation job-run job-run-cancellation job-run-log lookup nginx nginx-text route-nginx
repositories repository-branches webhook-registrations
notifications notification notification-settings notification-key notification-test
services database-cancellation database-databases database-privileges database-saved database-statement
blueprints team-blueprints pod-blueprint manifest manifest-file imports repository-imports
api-description api-documentation
services database-cancellation database-databases database-privileges database-saved database-statement
"""

# Of a database that runs (tests/databases tries them with one), or of a staging pod (tests/dashboard/pages).
AWAY = """
promotion
database-console database-data database-export database-key database-keys database-row database-rows
database-structure database-user database-users
"""

ROWS: dict[str, Row] = (
    {name: Row() for name in PLAIN.split()}
    | {name: Row(away=True) for name in AWAY.split()}
    | {f"service-{part}": Row(lambda world: {"name": _service()}, away=True) for part in PAGES}
    | {
        "sign-in-link": Row(lambda world: {"token": _token(signin_link(_owner(world)))}),
        "welcome": Row(lambda world: {"token": "no-such-token"}),
        "invitation": Row(lambda world: {"token": _invitation(world)[1]}),
        "notification-new": Row(lambda world: {"kind": "webhook"}),
        "notification-redelivery": Row(lambda world: {"pk": 10**9}),
        "git-access-deliveries": Row(lambda world: {"connection": _github_app(world)}),
        "git-access-hook": Row(lambda world: {"connection": _github_app(world)}),
        "git-access-new": Row(lambda world: {"kind": "token"}),
        "certificate": Row(lambda world: {"host": _certified(world)}),
        "certificate-request": Row(lambda world: {"host": _certified(world)}),
        "certificate-confirmation": Row(lambda world: {"host": _certified(world)}),
        "backups": Row(lambda world: {"name": "db"}),
        "pinned-backups": Row(lambda world: {"name": "db"}),
        "backup-plan": Row(lambda world: {"name": "db"}),
        "app-keys": Row(lambda world: {"name": "web"}),
        "app-key": Row(lambda world: {"name": "web", "key": "0123abcd"}),
        "route-domains": Row(lambda world: {"name": "web"}),
        "route-domain": Row(lambda world: {"name": "web", "host": "www.example.com"}),
        "domain-checks": Row(lambda world: {"name": "web", "host": "www.example.com"}),
        "job-runs": Row(lambda world: {"name": "web"}),
        "build-plan": Row(lambda world: {"name": "web"}),
        "build-plan-remedy": Row(lambda world: {"name": "web"}),
        "request-news": Row(lambda world: {"name": "web"}),
        "app-metrics": Row(lambda world: {"name": "web"}),
        "watch-paths": Row(lambda world: {"name": "web"}),
        "disk-files": Row(lambda world: {"name": "data"}),
        "disk-text": Row(lambda world: {"name": "data"}),
        "disk-download": Row(lambda world: {"name": "data"}),
        "disk-uploads": Row(lambda world: {"name": "data"}),
        "disk-piece": Row(lambda world: {"name": "data"}),
        "disk-snapshots": Row(lambda world: {"name": "data"}),
        "disk-snapshot": Row(lambda world: {"name": "data", "snapshot": _snapshot(world)}),
        "disk-restores": Row(lambda world: {"name": "data", "snapshot": _snapshot(world)}),
        "disk-snapshot-deletion": Row(lambda world: {"name": "data", "snapshot": _snapshot(world)}),
        "terminal": Row(lambda world: {"name": "web"}),
        "terminal-ending": Row(lambda world: {"session": _terminal(world)}),
        "audit-file": Row(lambda world: {"kind": "csv"}),
        "team-audit-file": Row(lambda world: {"kind": "jsonl"}),
        "blueprint": Row(lambda world: {"blueprint": "static-site"}),
        "team-blueprint": Row(lambda world: {"blueprint": _blueprint(world)}),
        "repository-import": Row(lambda world: {"found": _import(world)}),
        "account-token": Row(lambda world: {"pk": 10**9}),
        "service-new": Row(lambda world: {"how": "external"}),
        "service": Row(lambda world: {"name": _service()}),
        "service-lifecycle": Row(lambda world: {"name": _service()}),
        "service-deletion": Row(lambda world: {"name": _service()}),
        "service-database": Row(lambda world: {"name": _service(), "pk": 10**9}),
        "service-metrics": Row(lambda world: {"name": _service()}),
        "service-log": Row(lambda world: {"name": _service()}),
        "account-passkey": Row(lambda world: {"pk": 10**9}),
        "account-passkey-removal": Row(lambda world: {"pk": 10**9}),
        "account-session": Row(lambda world: {"pk": 10**9}),
        "webhook-redelivery": Row(lambda world: {"pk": 10**9}),
        "preview-approval": Row(lambda world: {"preview": 10**9}),
        "preview-closing": Row(lambda world: {"preview": 10**9}),
        "preview-deployments": Row(lambda world: {"preview": 10**9}),
        "preview-waking": Row(lambda world: {"preview": 10**9}),
        "team-token": Row(lambda world: {"pk": 10**9}),
        "team-invitation": Row(lambda world: {"pk": _invitation(world)[0].pk}),
        "member-pods": Row(lambda world: {"pk": world.team.memberships.get(user=world.people["viewer"]).pk}),
        "team-member": Row(lambda world: {"pk": world.team.memberships.get(user=world.people["viewer"]).pk}),
    }
)

API = """
api-services api-services-stats api-service api-service-logs api-service-verb api-databases-test api-databases-list
api-databases-tables api-databases-tables-data api-databases-tables-schema api-databases-query api-databases-create
api-databases-delete api-databases-users api-databases-users-by-database api-databases-users-create
api-databases-users-delete api-databases-privileges-grant api-databases-privileges-revoke api-nothing
"""


@dataclass(frozen=True)
class Socket:
    """Who is let in to a websocket, and what it takes to ask for it."""

    rule: Rule
    words: Callable[[World], dict[str, Any]] = lambda world: {}
    query: str = ""


SOCKETS: dict[str, Socket] = {
    "pods-socket": Socket(Rule("signed_in")),
    "pod-socket": Socket(Rule("pod", Role.VIEWER), lambda world: {"pod": world.pod.name}),
    "log-socket": Socket(
        Rule("pod", Role.VIEWER), lambda world: {"stream": f"deployment:{world.words['deployment']}"}, "after=0"
    ),
    "terminal-socket": Socket(
        Rule("pod", Role.DEVELOPER),
        lambda world: {"pod": world.pod.name, "workload": world.words["workload"]},
        "columns=80&rows=24",
    ),
}
"""Each websocket of brainpod/asgi.py. tests/dashboard/test_socket_access.py tries them as everybody."""

API_V1: dict[str, tuple[Role, tuple[str, ...]]] = {
    "getCurrentUser": (Role.VIEWER, ()),
    "listPods": (Role.VIEWER, ("pods:read",)),
    "createPod": (Role.DEVELOPER, ("pods:create",)),
    "getPod": (Role.VIEWER, ("pods:read",)),
    "deletePod": (Role.ADMIN, ("pods:delete",)),
    "listResources": (Role.VIEWER, ("resources:read",)),
    "getResource": (Role.VIEWER, ("resources:read",)),
    "createResources": (Role.DEVELOPER, ("resources:write",)),
    "replaceResource": (Role.DEVELOPER, ("resources:write",)),
    "deleteResource": (Role.DEVELOPER, ("resources:write",)),
    "listRevisions": (Role.VIEWER, ("revisions:read",)),
    "getRevision": (Role.VIEWER, ("revisions:read", "resources:read")),
    "getRevisionDiff": (Role.VIEWER, ("revisions:read",)),
    "getPlan": (Role.VIEWER, ("revisions:read",)),
    "deployPod": (Role.DEVELOPER, ("revisions:deploy",)),
    "redeployPod": (Role.DEVELOPER, ("revisions:deploy",)),
    "deployRevision": (Role.DEVELOPER, ("revisions:deploy",)),
    "listPodEvents": (Role.VIEWER, ("events:read",)),
    "watchPodEvents": (Role.VIEWER, ("events:read",)),
    "listDeployments": (Role.VIEWER, ("deployments:read",)),
    "getDeployment": (Role.VIEWER, ("deployments:read",)),
    "cancelDeployment": (Role.DEVELOPER, ("revisions:deploy",)),
    "getDeploymentLog": (Role.VIEWER, ("logs:read",)),
    "getAppLog": (Role.VIEWER, ("logs:read",)),
    "getAppMetrics": (Role.VIEWER, ("metrics:read",)),
    "getRouteMetrics": (Role.VIEWER, ("metrics:read",)),
    "listDomains": (Role.VIEWER, ("domains:read",)),
    "addDomain": (Role.DEVELOPER, ("domains:write",)),
    "removeDomain": (Role.DEVELOPER, ("domains:write",)),
    "checkDomain": (Role.DEVELOPER, ("domains:write",)),
    "listBackups": (Role.VIEWER, ("backups:read",)),
    "createBackup": (Role.DEVELOPER, ("backups:create",)),
    "getBackup": (Role.VIEWER, ("backups:read",)),
    "restoreBackup": (Role.DEVELOPER, ("backups:restore",)),
    "listClusters": (Role.VIEWER, ()),
    "listPodImages": (Role.VIEWER, ("registry:pull",)),
    "inspectPodImage": (Role.VIEWER, ("registry:pull",)),
    "listBlueprints": (Role.VIEWER, ()),
    "getBlueprint": (Role.VIEWER, ()),
    "installBlueprint": (Role.DEVELOPER, ("resources:write",)),
    "listChildren": (Role.VIEWER, ("pods:read",)),
    "createStagingPod": (Role.DEVELOPER, ("pods:create", "resources:read")),
    "getPromotion": (Role.DEVELOPER, ("revisions:read",)),
    "promotePod": (Role.DEVELOPER, ("revisions:read", "resources:write")),
    "listPreviews": (Role.VIEWER, ("pods:read",)),
    "approvePreview": (Role.DEVELOPER, ("revisions:deploy",)),
    "closePreview": (Role.DEVELOPER, ("revisions:deploy",)),
    "redeployPreview": (Role.DEVELOPER, ("revisions:deploy",)),
    "wakePreview": (Role.DEVELOPER, ("revisions:deploy",)),
    "getPreviewSettings": (Role.VIEWER, ("pods:read",)),
    "replacePreviewSettings": (Role.DEVELOPER, ("resources:write",)),
    "importFiles": (Role.DEVELOPER, ("resources:write",)),
    "rotateWebhookSecret": (Role.DEVELOPER, ("revisions:deploy",)),
    "endOldWebhookSecret": (Role.DEVELOPER, ("revisions:deploy",)),
}
"""Each operation of the API: the least role, and what a policy has to allow. tests/api/test_access.py tries them."""

OWN_GATE: dict[str, str] = dict.fromkeys(API.split(), "the bearer token of an operator") | {
    **dict.fromkeys((f"api-v1:{name}" for name in API_V1), "the bearer token of a team, and its policy"),
    "api-v1-nothing": "nothing is there",
    "app-hook": "the signature over the body, by the secret of the team's GitHub App",
    "hook": "the signature over the body, by the key of the pod's webhook",
    "hook-of-app": "the signature over the body, by the key of the app's own address",
    "prometheus": "the bearer token of BRAINPOD_METRICS_TOKEN; without one set up there is no such page",
    **dict.fromkeys(
        ("git-refs", "git-service", "git-app-refs", "git-app-service"), "a token of the team, as HTTP Basic's password"
    ),
    "git-nothing": "nothing: the same words for everybody",
    "node-tree": "the signature in the address, by the platform's own key",
}
"""Routes that are let in by something else than a session, and what: these may be exempt from CSRF."""

ADMIN_WORDS = {"object_id": "1", "id": "1", "app_label": "accounts", "content_type_id": "1", "url": "nowhere/"}


@dataclass(frozen=True)
class Route:
    """`words`: the names of the address's variable parts."""

    name: str
    view: Any
    words: frozenset[str]

    @property
    def is_admin(self) -> bool:
        return self.name.startswith("admin:")

    @property
    def rule(self) -> Rule | None:
        """What the view says of itself; None if it says nothing."""
        return STAFF if self.is_admin else getattr(self.view, "access", None)

    def address(self, world: World) -> str:
        given = ADMIN_WORDS if self.is_admin else world.words | ROWS[self.name].words(world)
        return reverse(self.name, kwargs={word: given[word] for word in self.words})


def routes() -> list[Route]:
    return list(_walk(get_resolver().url_patterns, "", frozenset()))


def _walk(patterns: list[Any], namespace: str, words: frozenset[str]) -> Iterator[Route]:
    for pattern in patterns:
        mine = words | frozenset(pattern.pattern.regex.groupindex)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, inner, mine)
        elif isinstance(pattern, URLPattern) and (pattern.name or not namespace):
            yield Route(f"{namespace}{pattern.name}", pattern.callback, mine)
