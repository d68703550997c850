"""What a test does and sees inside the platform: a Django process of its own, one JSON request and answer a line.

Run as `python -m tests.faults.inside` with the platform's settings; tests/faults/rig.py is the other end.
"""

from __future__ import annotations

import datetime
import itertools
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import django
import redis

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import Count, Max  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps import engines, secretstore  # noqa: E402
from apps.accounts.models import Membership, SignIn, Team, User  # noqa: E402
from apps.accounts.roles import Role  # noqa: E402
from apps.audit.models import AuditEntry  # noqa: E402
from apps.builds.models import Artifact, Build, Builder, BuildRun  # noqa: E402
from apps.core.errors import PlatformError, UserError  # noqa: E402
from apps.dashboard.pod_states import running  # noqa: E402
from apps.deployments import actions, lookups  # noqa: E402
from apps.deployments.models import OPEN_STATES, AppEvent, Deployment, Duty, Lookup, StageRun, Trigger, Workload  # noqa: E402
from apps.disks.models import Snapshot  # noqa: E402
from apps.logs import reader  # noqa: E402
from apps.logs.models import LogChunk  # noqa: E402
from apps.pods import actions as pods  # noqa: E402
from apps.pods.environment import secret_paths  # noqa: E402
from apps.pods.models import Pod, Revision  # noqa: E402
from apps.sources.hosted import Hosted  # noqa: E402

TEAM = "faults"
APP = """\
import http.server, os

BODY = f"{open('version').read()} {os.environ['TOKEN']}".encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(500 if BODY.startswith(b"broken") else 200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""


def commit(version: str) -> str:
    """A commit whose app answers with `version` (500 for one that begins with broken); its id."""
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        (work / "main.py").write_text(APP)
        (work / "version").write_text(version)
        (work / "Procfile").write_text("web: python main.py\n")
        return Hosted(settings.BRAINPOD.state / "repositories").commit_tree(TEAM, "app", work, version)


def make(names: list[str], version: str, secret: str, build: str = "", disk: bool = False, window: int = 20) -> None:
    """Pods of one app and one secret, being deployed."""
    commit(version)
    team, _ = Team.objects.get_or_create(slug=TEAM, defaults={"name": TEAM})
    for name in names:
        pod = pods.create_pod(team=team, name=name, by=None)
        app: dict[str, Any] = {
            "source": {"repo": f"brainpod:{TEAM}/app"},
            "instance": ".25x",
            "configs": ["keys"],
            "build": {"buildCommand": build or "cp version built"},
            "healthCheckTimeout": window,
        }
        if disk:
            pods.save_resource(pod=pod, kind="Disk", name="data", spec={}, by=None, create=True)
            app["mounts"] = [{"disk": "data", "path": "/data"}]
        pods.save_resource(
            pod=pod, kind="Config", name="keys", spec={}, by=None, create=True, secrets={"TOKEN": secret}
        )
        pods.save_resource(pod=pod, kind="App", name="web", spec=app, by=None, create=True)
        route = {"rules": [{"path": "/", "app": "web"}]}
        pods.save_resource(pod=pod, kind="Route", name="site", spec=route, by=None, create=True)
        revision = pods.seal(pod=pod, summary="Made", by=None)
        actions.start(pod=pod, revision=revision, trigger=Trigger.MANUAL, by=None)


def deploy(names: list[str], sha: str) -> list[str]:
    """Deploy that commit to each; the deployments' ids."""
    return [
        actions.deploy_commits(
            pod=Pod.objects.get(name=name), commits={"web": sha}, trigger=Trigger.PUSH, by=None, summary=""
        ).pk
        for name in names
    ]


def latest(name: str) -> str:
    """Have the newest commit deployed; the lookup's id."""
    return lookups.deploy_latest(pod=Pod.objects.get(name=name), app="web", by=None).pk


def looked_up(pk: str) -> dict[str, Any]:
    """How the lookup stands, and how many deployments its pod has."""
    row = Lookup.objects.get(pk=pk)
    return {"state": row.state, "deployment": row.deployment_id, "all": row.pod.deployments.count()}


def back(name: str) -> str:
    """Roll back to the revision before the live one."""
    pod = Pod.objects.get(name=name)
    assert pod.live is not None
    before = pod.revisions.filter(version__lt=pod.live.version).latest("version")
    return actions.deploy_revision(pod=pod, revision=before, by=None).pk


def cancel(names: list[str]) -> dict[str, str]:
    """Ask to cancel the newest deployment of each; the refusal's code for those that are too late."""
    refused = {}
    for name in names:
        try:
            actions.cancel(deployment=Deployment.objects.filter(pod__name=name).latest("id"), by=None)
        except UserError as error:
            refused[name] = error.code
    return refused


def delete(names: list[str]) -> None:
    for name in names:
        actions.delete_pod(pod=Pod.objects.get(name=name), confirmation=name, by=None)


def left_of(pod_id: str, name: str) -> list[str]:
    """What there still is of a pod that was deleted."""
    left = [str(row) for row in (*Pod.objects.filter(pk=pod_id), *Workload.objects.filter(pod=pod_id))]
    left += [str(path) for path in (settings.BRAINPOD.state / "pods").glob(pod_id)]
    left += [str(path) for path in (settings.BRAINPOD.state / "cache").glob(f"*/{pod_id}*")]
    try:
        secretstore.secrets().read(f"pods/{pod_id}/keys/TOKEN", 1)
        left.append("its secret")
    except PlatformError as error:
        if error.code != "secret_missing":
            raise
    return left


def forget_secret(name: str) -> None:
    """Lose the pod's secret value behind the platform's back."""
    for path in secret_paths(Pod.objects.get(name=name)):
        secretstore.secrets().delete(path)


def flush() -> None:
    redis.Redis.from_url(settings.VALKEY_URL).flushall()


def ids(names: list[str]) -> dict[str, str]:
    return dict(Pod.objects.filter(name__in=names).values_list("name", "pk"))


def last(names: list[str]) -> dict[str, dict[str, Any]]:
    """The newest deployment of each: state, code, what was said, and the stage that runs."""
    fields = ("pk", "state", "error_code", "error", "switched_at")
    newest = Pod.objects.filter(name__in=names).annotate(newest=Max("deployments__id")).values_list("name", "newest")
    rows = {row[0]: row[1:] for row in Deployment.objects.filter(pk__in=[pk for _, pk in newest]).values_list(*fields)}
    stages = dict(StageRun.objects.filter(deployment__in=rows, state="running").values_list("deployment_id", "stage"))
    return {
        name: {"id": pk, "state": rows[pk][0], "code": rows[pk][1], "error": rows[pk][2],
               "stage": stages.get(pk), "switched": rows[pk][3] is not None}
        for name, pk in newest
    }  # fmt: skip


def workers(names: list[str]) -> dict[str, int]:
    """The process that works on the newest deployment of each."""
    newest = (Deployment.objects.filter(pod__name=name).latest("id") for name in names)
    return {one.pod.name: int(one.holder.split(":")[-2]) for one in newest}


def unseen(names: list[str]) -> None:
    """Have the engine's last word about what serves be a minute old."""
    rows = Workload.objects.filter(pod__name__in=names, serving=True)
    rows.update(observed_at=timezone.now() - datetime.timedelta(seconds=60))


def shown(names: list[str]) -> dict[str, str]:
    """What pages call the instances of each."""
    return {name: running(Workload.objects.filter(pod__name=name, serving=True)).state for name in names}


def told(names: list[str], words: str) -> list[str]:
    """Those of whose instances the feed says that."""
    return list(AppEvent.objects.filter(pod__name__in=names, words=words).values_list("pod__name", flat=True))


def sign_in() -> str:
    """The session's cookie of somebody in the team."""
    user, _ = User.objects.get_or_create(email="viewer@example.com", defaults={"name": "Vera"})
    Membership.objects.get_or_create(team=Team.objects.get(slug=TEAM), user=user, defaults={"role": Role.VIEWER})
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].output(header="").strip().partition(";")[0]


def hang_up() -> int:
    """Cut every connection to the broker but this one; how many there were."""
    valkey = redis.Redis.from_url(settings.VALKEY_URL)
    return sum(int(valkey.execute_command("CLIENT", "KILL", "TYPE", kind)) for kind in ("normal", "pubsub"))


def pages(name: str) -> list[str]:
    """The addresses of pages about the pod and of what is made of all that was written meanwhile."""
    deployment = Deployment.objects.filter(pod__name=name).latest("id").pk
    named = [("home", []), ("pod", [name]), ("deployments", [name]), ("revisions", [name]), ("resource", [name, "web"])]
    named += [("deployment", [name, deployment]), ("deployment-log-text", [name, deployment])]
    named += [("app-metrics", [name, "web"]), ("request-news", [name, "web"]), ("team", [TEAM]), ("team-usage", [TEAM])]
    return [reverse(view, args=given) for view, given in named]


def written() -> list[str]:
    """What a day makes nothing of, whatever the clock says."""
    rows = (Artifact, AppEvent, AuditEntry, Build, Deployment, LogChunk, Pod, Revision, Session, SignIn, Snapshot)
    trees = (path.name for path in (settings.BRAINPOD.state / "artifacts").iterdir())
    return [*trees, *(f"{row.__name__} {pk}" for row in rows for pk in row.objects.values_list("pk", flat=True))]


def doubled(names: list[str]) -> list[str]:
    """Builds of each pod's newest deployment that were begun though the artifact was there, or done by two at once."""
    newest = [Deployment.objects.filter(pod__name=name).latest("id").revision_id for name in names]
    runs = BuildRun.objects.filter(build__revision__in=newest).select_related("build").order_by("build", "started_at")
    twice = [run for run in runs if run.build.built_at and run.started_at > run.build.built_at]
    done = [run for run in runs if run.outcome == "built"]
    twice += [b for a, b in itertools.pairwise(done) if a.build_id == b.build_id and b.started_at < a.finished_at]
    return [f"{run} at {run.started_at}" for run in twice]


def duties() -> dict[str, int]:
    """How often each was begun."""
    return dict(Duty.objects.values_list("name", "fence"))


def log_of(name: str) -> list[tuple[int, int, str]]:
    """The lines of the newest deployment: number, moment in milliseconds, text."""
    stream = Deployment.objects.filter(pod__name=name).latest("id").stream
    return [(line.seq, line.at, line.text) for line in reader.read(stream)]


def all_states(names: list[str]) -> list[str]:
    """Of all deployments that there ever were."""
    return list(Deployment.objects.filter(pod__name__in=names).values_list("state", flat=True))


def build_seconds() -> list[float]:
    """What each try of a build is counted as."""
    return [run.seconds for run in BuildRun.objects.all()]


def builders() -> dict[str, bool]:
    """Every builder, and whether it is there."""
    return {builder.name: builder.alive for builder in Builder.objects.all()}


def forget_builders() -> None:
    Builder.objects.all().delete()


def runs(name: str) -> list[tuple[str, str]]:
    """The tries of the pod's builds: who, and how it ended."""
    return list(BuildRun.objects.filter(pod_name=name).order_by("id").values_list("builder", "outcome"))


def open_ones() -> int:
    return Deployment.objects.filter(state__in=OPEN_STATES).count()


def states(pks: list[str]) -> dict[str, str]:
    return dict(Deployment.objects.filter(pk__in=pks).values_list("pk", "state"))


def untidy() -> list[str]:
    """Everything that is not as it has to be while nothing is under way; empty when all is well."""
    ended = Deployment.objects.exclude(state__in=OPEN_STATES)
    wrong = [f"{s} of {s.deployment_id} is {s.state}" for s in
             StageRun.objects.filter(deployment__in=ended, state__in=("pending", "running"))]  # fmt: skip
    begun = ended.filter(started_at__isnull=False).annotate(n=Count("stages")).exclude(n=8)
    wrong += [f"{one.pk} has {one.n} stages" for one in begun]
    wrong += [f"{one.pk} failed without a code" for one in ended.filter(state="failed", error_code="")]
    wrong += [f"artifact {a.pk} is nobody's" for a in Artifact.objects.filter(builds=None)]
    ready = Build.objects.filter(revision__deployments__state="ready", artifact=None)
    wrong += [f"{build} of {build.revision} is live without an artifact" for build in ready]
    rows = Workload.objects.exclude(state="stopped")
    for pod in Pod.objects.all():
        own = list(rows.filter(pod=pod))
        if pod.live_id and [w.serving and w.revision_id == pod.live_id and w.state for w in own] != ["healthy"]:
            wrong.append(f"{pod.name} has {[(w.pk, w.state, w.serving, w.revision.version) for w in own]}")
        if not pod.live_id and own:
            wrong.append(f"{pod.name} was never live and has {len(own)} workloads")
    try:
        runs = set(engines.engine().workloads())
    except PlatformError as error:
        return [*wrong, f"the engine: {error}"]
    known = set(rows.values_list("pk", flat=True))
    if runs != known:
        wrong.append(f"the engine runs {sorted(runs - known)} more and {sorted(known - runs)} less than there should")
    return wrong


def workloads() -> dict[str, str]:
    """What should run: workload → pod."""
    return dict(Workload.objects.exclude(state="stopped").values_list("pk", "pod__name"))


def lock(seconds: float) -> None:
    """Hold a write transaction for `seconds`, in the background."""

    def hold() -> None:
        with transaction.atomic():
            Team.objects.filter(slug=TEAM).update(name=TEAM)
            time.sleep(seconds)
        connection.close()

    threading.Thread(target=hold).start()


def main() -> None:
    out = sys.stdout
    sys.stdout = sys.stderr
    for text in sys.stdin:
        name, arguments = json.loads(text)
        try:
            answer = {"value": globals()[name](**arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        connection.close()
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
