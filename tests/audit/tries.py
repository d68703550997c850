"""For every route that changes something, a request that does it, and the verb it is written down with.

A route and method in neither TRIES nor ELSEWHERE fails test_routes.py: whoever adds one says here how it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.utils import timezone

from apps.accounts import tokens
from apps.accounts.factors import codes
from apps.accounts.models import Invitation, SignIn, User
from apps.backups.models import Backup
from apps.builds.models import Artifact
from apps.cdn.models import CloudflareZone
from apps.certificates.models import Certificate
from apps.deployments.models import Deployment
from apps.disks.models import Snapshot
from apps.hooks import actions as hooks
from apps.notify import actions as notify
from apps.notify import outbox
from apps.notify.models import Delivery
from apps.pods import actions as pods
from apps.pods.keys import make_key
from apps.pods.models import Pod
from apps.previews.models import Preview
from tests.dashboard.access_matrix import World
from tests.people import PASSWORD, make_user

NEW = "another-horse-7-battery"
Data = dict[str, Any] | Callable[[World], dict[str, Any]]


def owner(world: World) -> User:
    found = world.people["owner"]
    assert found is not None
    return found


@dataclass(frozen=True)
class Try:
    """`words`: what the address needs beyond the matrix's, made afresh; `after`: what has to be so before."""

    verb: str
    data: Data = field(default_factory=dict)
    words: Callable[[World], dict[str, Any]] | None = None
    before: Callable[[World], Any] | None = None
    who: str = "owner"
    proven: bool = False  # has just shown who they are


def _draft(world: World) -> None:
    pods.draft(pod=world.pod, by=None)


def _webhook(world: World) -> None:
    hooks.make_webhook(pod=world.pod, by=owner(world))


def _rotated(world: World) -> None:
    _webhook(world)
    hooks.rotate_key(pod=world.pod, by=owner(world))


def _receipt(world: World) -> dict[str, Any]:
    event = {"ping": {"repository_urls": []}}
    return {"pk": world.pod.receipts.create(provider="github", outcome="nothing", verdict="x", event=event).pk}


def _preview(world: World, **fields: Any) -> dict[str, Any]:
    row = Preview.objects.create(
        parent=world.pod, name="x-pr-1", repository="github.com/octo/shop", number=1, ref="refs/pull/1/head",
        head_sha="c" * 40, state="open", active_at=timezone.now(), **fields,
    )  # fmt: skip
    return {"preview": row.pk}


def _asleep(world: World) -> dict[str, Any]:
    world.pod.controls.create(app="web", stopped_at=timezone.now())
    return _preview(world, pod=world.pod)


def _zone(world: World) -> None:
    CloudflareZone.objects.create(pod=world.pod, zone="0" * 32, version=1, set_by=owner(world))


def _backup(world: World) -> None:
    """A finished one of a database that is live."""
    assert world.pod.live is not None
    world.pod.live.resources.create(kind="PostgresDB", name="db", spec={"version": "18", "disk": "data"})
    Backup.objects.filter(pk=world.words["backup"]).update(state="completed")


def _pinned(world: World) -> None:
    Backup.objects.filter(pk=world.words["backup"]).update(pinned=True)


def _planned(world: World) -> None:
    world.pod.backup_plans.create(name="db", schedule="@daily", next_at=timezone.now())


def _open_deployment(world: World) -> None:
    Deployment.objects.filter(pk=world.words["deployment"]).update(state="pending")


def _no_lookups(world: World) -> None:
    world.pod.lookups.all().delete()


def _caching_route(world: World) -> None:
    assert world.pod.live is not None
    world.pod.live.resources.create(kind="Route", name="site", spec={"cache": True, "domains": [], "rules": []})


def _route(world: World) -> None:
    assert world.pod.live is not None
    spec = {"rules": [{"path": "/", "app": "web"}], "domains": ["www.example.com"], "hostname": "x.localhost"}
    world.pod.live.resources.create(kind="Route", name="site", spec=spec)


def _domain(world: World) -> None:
    _route(world)
    world.pod.hosts.create(
        host="www.example.com", custom=True, state="verified", verified_at=timezone.now(), route="site"
    )


def _issuing(world: World) -> dict[str, Any]:
    host = f"d{world.team.pk}.example.com"
    name = world.pod.hosts.create(host=host, custom=True, state="verified", verified_at=timezone.now(), route="site")
    Certificate.objects.create(host=host, hostname=name, state="issuing", records=[{"name": "a", "value": "b"}])
    return {"host": host}


def _staging(world: World) -> dict[str, Any]:
    """A staging pod that has built the app at another commit."""
    child = Pod.objects.create(team=world.team, name=f"{world.pod.name}-x", parent=world.pod, lineage="staging")
    assert world.pod.live is not None
    child.live = child.revisions.create(version=1, sealed_at=timezone.now())
    spec = world.pod.live.resources.get(name="web").spec
    child.live.resources.create(kind="App", name="web", spec=spec)
    artifact = Artifact.objects.create(team=world.team, kind="bundle", manifest={"app": "sha256:0"})
    child.live.builds.create(app="web", inputs="0", commit="c" * 40, artifact=artifact)
    child.save()
    return {"pod": child.name}


def _snapshot(world: World) -> dict[str, Any]:
    return {"snapshot": Snapshot.objects.create(pod=world.pod, disk="data", state="ready").pk}


def _key(world: World) -> dict[str, Any]:
    return {"key": make_key(pod=world.pod, app="web", by=owner(world)).split("_")[1]}


def _token(world: World) -> dict[str, Any]:
    return {"pk": tokens.make(user=owner(world), name="mine", team=world.team)[0].pk}


def _told(world: World) -> dict[str, Any]:
    """An endpoint that notifications are sent to, with its key."""
    made, _ = notify.add(team=world.team, kind="webhook", name="ops", target="http://127.0.0.1:1029/", by=owner(world))
    return {"endpoint": made.pk}


def _sent(world: World) -> dict[str, Any]:
    """And a delivery that has ended."""
    told = _told(world)
    message = outbox.write(team=world.team, event="test", data={})
    row = Delivery.objects.create(message=message, endpoint_id=told["endpoint"], state="failed", next_at=None)
    return told | {"pk": row.pk}


def _app(world: World) -> None:
    codes.keep_app(owner(world), codes.new_secret(), 1)


def _passkey(world: World) -> dict[str, Any]:
    """One that nobody can use, and everybody rename."""
    return {"pk": WebAuthn.add(owner(world), "Phone", {}).instance.pk}


def _session(world: World) -> dict[str, Any]:
    return {"pk": SignIn.objects.create(user=owner(world), session_key=f"other{world.team.pk}").pk}


def _guest(world: World) -> dict[str, Any]:
    """An invitation for the stranger, who is signed in."""
    stranger = world.people["stranger"]
    assert stranger is not None
    lasts = timezone.timedelta(days=1)
    _, made = Invitation.issue(lasts=lasts, team=world.team, email=stranger.email, role="viewer")
    return {"token": made}


def _failing_sign_in(world: World) -> dict[str, Any]:
    return {"email": make_user("somebody").email, "password": "wrong-one-entirely"}


SIGN_IN: dict[str, Any] = {"who": "anonymous"}
TOLD = {"name": "others", "target": "http://127.0.0.1:1029/", "events": ["deployment.failed"], "enabled": "on"}
BLUEPRINT = "version: 1\nblueprint: ours\ntitle: Ours\nresources: {}\n"
FILE = "version: 1\nresources: {}\n"
TRIES: dict[str, Try] = {
    "account-name post": Try("account.name", {"name": "Ada"}),
    "account-app-removal post": Try("account.app_off", before=_app, proven=True),
    "account-passkey post": Try("account.passkey_rename", {"name": "Blue key"}, words=_passkey),
    "account-passkey-removal post": Try("account.passkey_remove", words=_passkey, proven=True),
    "account-password post": Try("account.password", {"current": PASSWORD, "new": NEW}),
    "account-recovery-codes post": Try("account.recovery_new", before=_app, proven=True),
    "account-sessions delete": Try("session.end_others"),
    "account-session delete": Try("session.end", words=_session),
    "account-token delete": Try("token.revoke", words=_token),
    "account-tokens post": Try("token.make", lambda world: {"name": "ci", "scope": f"team:{world.team.slug}"}),
    "app-key delete": Try("app.key_end", words=lambda world: {"name": "web"} | _key(world)),
    "app-keys post": Try("app.key_make"),
    "app-lifecycle post": Try("app.stop", {"action": "stop"}, words=lambda world: {"name": "web"}),
    "backup delete": Try("backup.delete"),
    "backup-drills post": Try("backup.drill", before=_backup),
    "backup-plan delete": Try("backup.plan_end", before=_planned),
    "backup-plan post": Try("backup.plan", {"schedule": "@daily", "last": 3, "days": 0, "weeks": 0}, before=_backup),
    "backup-restores post": Try("backup.restore", {"target": "db", "confirmation": "db"}, before=_backup),
    "backups post": Try("backup.make", before=_backup),
    "blueprint post": Try(
        "blueprint.install", lambda world: {"team": world.team.slug, "name": f"site-{world.team.pk}"}
    ),
    "team-blueprint delete": Try("blueprint.remove"),
    "team-blueprints post": Try("blueprint.add", {"text": BLUEPRINT}),
    "build-cache post": Try("cache.clear", words=lambda world: {"name": "web"}),
    "build-plan post": Try("inspection.make", {"again": "1"}),
    "cancellation post": Try("deployment.cancel", before=_open_deployment),
    "certificate-confirmation post": Try("certificate.confirm", {"count": "1"}, words=_issuing),
    "cloudflare delete": Try("cdn.disconnect", before=_zone),
    "cloudflare post": Try("cdn.connect", {"zone": "a" * 32, "token": "t" * 40}),
    "cloudflare-purges post": Try("cdn.purge", before=_zone),
    "promotion post": Try("draft.promote", {"apps": ["web"], "version": 1}, words=_staging),
    "staging post": Try("pod.branch", {"name": "beside", "databases": "empty"}),
    "deployments post": Try("deployment.latest", {"latest": "web"}, before=_no_lookups),
    "disk-snapshot-deletion post": Try("disk.use", words=_snapshot),
    "disk-snapshots post": Try("disk.use", {"note": "before"}),
    "domain-checks post": Try("domain.check", before=_domain, words=lambda world: {"name": "site"}),
    "draft-discard post": Try("draft.discard", before=_draft),
    "git-access-connection delete": Try("connection.remove"),
    "git-access-connection post": Try("connection.rename", {"name": "theirs"}),
    "git-access-hook delete": Try("connection.webhook_end_old"),
    "git-access-new post": Try("connection.make", {"host": "github.com", "token": "x" * 40}),
    "git-access-secret post": Try("connection.rotate", {"secret": "y" * 40}),
    "imports post": Try("draft.batch", {"action": "apply", "text": FILE}),
    "repository-imports post": Try("import.make", {"repo": "https://github.com/example/app.git"}),
    "invitation post": Try("invitation.accept", words=_guest, who="stranger"),
    "pinned-backups delete": Try("backup.release", words=lambda world: {"name": "db"}, before=_pinned),
    "job-run-cancellation post": Try("job.cancel"),
    "job-runs post": Try("job.run"),
    "kept-answers post": Try("cache.forget", before=_caching_route),
    "member-pods post": Try("member.pod_role", lambda world: {"pod": world.pod.name, "role": "developer"}),
    "notification-key delete": Try("notification.end_old", words=_told),
    "notification-key post": Try("notification.rotate", words=_told),
    "notification-new post": Try("notification.make", TOLD),
    "notification-redelivery post": Try("notification.redeliver", words=_sent),
    "notification-settings delete": Try("notification.remove", words=_told),
    "notification-settings post": Try("notification.change", TOLD, words=_told),
    "notification-test post": Try("notification.test", words=_told),
    "pod-deletion post": Try("pod.delete", lambda world: {"confirmation": world.pod.name}),
    "pod-engine post": Try("draft.engine", {"engine": ""}),
    "pod-lifecycle post": Try("app.stop", {"action": "stop"}),
    "pod-region post": Try("pod.region", {"region": "local"}),
    "pods post": Try("pod.make", lambda world: {"team": world.team.slug, "name": f"new-{world.team.pk}"}),
    "preview-approval post": Try("preview.approve", {"sha": "c" * 40}, words=lambda w: _preview(w, is_fork=True)),
    "preview-closing post": Try("preview.close", words=_preview),
    "preview-deployments post": Try("preview.redeploy", words=_preview),
    "preview-settings post": Try("preview.settings", {"limit": 3, "days": 7, "sleep": 0, "databases": "empty"}),
    "preview-waking post": Try("app.start", words=_asleep),
    "resource post": Try("draft.change"),
    "resource-deletion post": Try("draft.remove"),
    "resource-new post": Try("draft.change", {"name": "more"}),
    "service-deletion post": Try("service.change", who="operator"),
    "sign-in post": Try("signin.failed", _failing_sign_in, **SIGN_IN),
    "sign-in-passkey post": Try("signin.failed", who="anonymous"),
    "sign-in-link post": Try("signin.passed", **SIGN_IN),
    "sign-out post": Try("signin.out"),
    "team-invitation delete": Try("invitation.withdraw"),
    "team-invitations post": Try("invitation.make", {"email": "new@example.com", "role": "viewer"}),
    "team-member delete": Try("member.remove"),
    "team-member post": Try("member.role", {"role": "developer"}),
    "team-token delete": Try("token.revoke", words=_token),
    "team-second-factor post": Try("team.second_factor"),
    "team-name post": Try("team.rename", {"name": "Ours"}),
    "teams post": Try("team.make", {"name": "Another"}),
    "terminal-ending post": Try("terminal.end"),
    "webhook post": Try("webhook.make"),
    "webhook-redelivery post": Try("webhook.redeliver", before=_webhook, words=_receipt),
    "webhook-rotation delete": Try("webhook.end_old", before=_rotated),
    "webhook-rotation post": Try("webhook.rotate", before=_webhook),
    "webhook-secret post": Try("webhook.secret", before=_webhook),
}

IN_THE_BOOK = "needs a server: every one of them is in apps/databases/book.py, see test_what_has_a_book_of_its_own"
FILES = "needs a disk with files: every one of them is in apps/disks/audit.py, see test_what_has_a_book_of_its_own"
SERVICES = "needs a server: apps.infrastructure.workloads.tell writes it down, see test_what_has_a_book_of_its_own"
AS_RESOURCE = "puts a change into the draft by the action of `resource`"

ELSEWHERE: dict[str, str] = {
    "service-cancellation post": "ends a statement, whose entry says so",
    **{f"service-{part} post": IN_THE_BOOK for part in ("databases", "export", "key", "privileges", "row")},
    **{f"service-{part} post": IN_THE_BOOK for part in ("saved", "statement", "user")},
    "account-app post": "needs a code: see tests/accounts/test_second_factor.py",
    "account-passkeys post": "needs a browser: see tests/browser/test_passkeys.py",
    "account-passkey-options post": "asks the browser for a passkey, which comes with the next request",
    "account-proof post": "changes nothing; what fails is written down as the second step is",
    "account-proof-options post": "asks the browser for a passkey, which comes with the next request",
    "second-step post": "needs somebody who passed the first: see tests/accounts/test_second_factor.py",
    "second-step-options post": "asks the browser for a passkey, which comes with the next request",
    "sign-in-passkey-options post": "asks the browser for a passkey, which comes with the next request",
    "account-theme post": "how one's own pages look is no business of others",
    "operators-login post": "answers nobody: operators sign in where everybody does",
    "welcome post": "needs a platform without people: see test_the_first_user",
    "backup-content post": "needs a backup's file: apps.backups.actions.downloaded, tests/backups",
    "build-plan-remedy post": AS_RESOURCE,
    "remedy post": AS_RESOURCE,
    "watch-paths post": f"tests patterns, and then {AS_RESOURCE}",
    "route-domain delete": AS_RESOURCE,
    "route-domains post": AS_RESOURCE,
    "certificate post": "needs a chain and its key: see test_certificates",
    "certificate delete": "needs a chain and its key: see test_certificates",
    "certificate-request post": "needs ACME switched on: see test_certificates",
    "database-cancellation post": "ends a statement, whose entry says so",
    "database-databases post": IN_THE_BOOK,
    "database-export post": IN_THE_BOOK,
    "database-key post": IN_THE_BOOK,
    "database-password post": "needs a server: tests/databases",
    "database-privileges post": IN_THE_BOOK,
    "database-rotation post": "needs a server: tests/databases",
    "database-row post": IN_THE_BOOK,
    "database-saved post": IN_THE_BOOK,
    "database-statement post": IN_THE_BOOK,
    "database-user post": IN_THE_BOOK,
    "disk-download post": FILES,
    "disk-files post": FILES,
    "disk-piece post": FILES,
    "disk-text post": FILES,
    "disk-uploads post": FILES,
    "disk-restores post": FILES,
    "git-access-app post": "only leads to GitHub; what comes back is written down",
    "git-access-app-install post": "only leads to GitHub; what comes back is written down",
    "webhook-registrations post": "asks a git host: tests/hooks/test_registering.py",
    "git-access-hook post": "asks a git host: tests/connections/test_hook_secret.py",
    "git-access-check post": "asks a git host: tests/connections",
    "git-access-reconnect post": "only leads to the git host; what comes back is written down",
    "git-access-sign-in post": "only leads to the git host; what comes back is written down",
    "service post": SERVICES,
    "service-database post": SERVICES,
    "service-lifecycle post": SERVICES,
    "service-new post": SERVICES,
}
