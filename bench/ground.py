"""What the benchmarks stand on: a platform, people in it, repositories, pods and their deployments."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
from django.conf import settings
from django.test import Client

from apps.accounts.models import Membership, Team, User
from apps.accounts.roles import Role
from apps.deployments import actions
from apps.deployments.models import STAGES, Deployment, Trigger
from apps.deployments.retire import LEAST
from apps.pods import actions as pods
from apps.pods.models import Pod, Revision
from apps.sources.hosted import Hosted
from bench import probe
from tests.stack.platform import ROOT, Platform

PATIENCE = 120.0  # seconds a deployment may take
EXAMPLE = ROOT / "examples" / "hello"


class Ground:
    """The platform starts with the first thing that needs it, and again with the first after `stop`."""

    def __init__(self, platform: Platform, *, rounds: int, pods: int, seconds: float, redeploys: int) -> None:
        self.platform, self.rounds, self.pods = platform, rounds, pods
        self.seconds, self.redeploys = seconds, redeploys
        self.hosted = Hosted(platform.state / "repositories")
        self._team: Team | None = None
        self._fleet: list[Pod] = []

    @property
    def team(self) -> Team:
        if self._team is None:
            self.platform.start()
            self._team, _ = Team.objects.get_or_create(slug="home", defaults={"name": "home"})
            user, _ = User.objects.get_or_create(email="bench@example.com", defaults={"name": "Bench"})
            Membership.objects.get_or_create(team=self._team, user=user, defaults={"role": Role.OWNER})
        return self._team

    def cookie(self, user: User | None = None) -> str:
        """A signed-in browser's Cookie header, the token against forged forms included."""
        client = Client()
        client.force_login(user or User.objects.get(email="bench@example.com", memberships__team=self.team))
        session = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        page = httpx.get(self.platform.url(), headers={"Cookie": session}, timeout=60, trust_env=False)
        return "; ".join([session, *(f"{name}={value}" for name, value in page.cookies.items())])

    def stop(self) -> None:
        self.platform.stop()
        self._team = None

    # Code

    def commit(self, name: str, files: Mapping[str, str], *, like: Path | None = None) -> str:
        """`files` (and everything of the directory `like`) as the next commit of the repository `name`."""
        with tree(files, like=like) as directory:
            return self.hosted.commit_tree(self.team.slug, name, directory, "A commit")

    def repository(self, name: str) -> Path:
        return self.hosted.path(self.team.slug, name)

    # Pods

    def pod(self, name: str, repository: str, **app: object) -> Pod:
        """A new pod with the app `web` out of `repository` and a route to it, in its draft.

        Its size is two cores, as many as by hand: a quarter of a core takes four times as long to start anything.
        """
        pod = pods.create_pod(team=self.team, name=name, by=None)
        spec = {"source": {"repo": f"brainpod:{self.team.slug}/{repository}"}, "instance": "2x", **app}
        pods.save_resource(pod=pod, kind="App", name="web", spec=spec, by=None, create=True)
        rules = {"rules": [{"path": "/", "app": "web"}]}
        pods.save_resource(pod=pod, kind="Route", name="site", spec=rules, by=None, create=True)
        return pod

    def first(self, pod: Pod) -> Deployment:
        """The first deployment of a new pod, being worked on."""
        revision = pods.seal(pod=pod, summary="first", by=None)
        return actions.start(pod=pod, revision=revision, trigger=Trigger.MANUAL, by=None)

    def push(self, pod: Pod, commit: str) -> Deployment:
        """What a push's webhook does once it knows the commit."""
        commits = {"web": commit}
        return actions.deploy_commits(pod=pod, commits=commits, trigger=Trigger.PUSH, by=None, summary="a push")

    def back(self, pod: Pod, revision: Revision) -> Deployment:
        return actions.deploy_revision(pod=pod, revision=revision, by=None)

    def ready(self, deployment: Deployment, patience: float = PATIENCE) -> Deployment:
        """Wait for its end, at most `patience` seconds; it has to be a good one."""
        deadline = time.monotonic() + patience
        while deployment.is_open:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{deployment} is {deployment.state} after {patience:.0f} s")
            time.sleep(0.02)
            deployment.refresh_from_db()
        if deployment.state != "ready":
            raise RuntimeError(f"{deployment} is {deployment.state}: {deployment.error} {deployment.hint}")
        return deployment

    def fleet(self) -> list[Pod]:
        """`pods` pods with one small app each, all live."""
        if not self._fleet:
            self.commit("small", {"main.py": SMALL})
            made = [self.pod(f"small-{number}", "small", instance=".25x") for number in range(self.pods)]
            for deployment in [self.first(pod) for pod in made]:
                self.ready(deployment)
            self._fleet = made
        return self._fleet

    def delete(self, pod: Pod) -> None:
        actions.delete_pod(pod=pod, confirmation=pod.name, by=None)

    @property
    def drained(self) -> float:
        """Seconds after which what a switch replaced has ended."""
        return LEAST + 3

    def served(self, pod: Pod, text: str) -> None:
        """Wait until the pod's address answers with `text` in it."""
        probe.until(self.platform.port, f"{pod.name}.localhost", text, PATIENCE)


SMALL = """import http.server, os, socketserver


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


socketserver.TCPServer(("0.0.0.0", int(os.environ["PORT"])), Answer).serve_forever()
"""


def stages(deployments: list[Deployment], served: list[float]) -> dict[str, float]:
    """Seconds of each part of a deployment, medians; `served`: from the commit to its content, of each of them."""
    parts: dict[str, list[float]] = {"woken": []}
    for deployment, whole in zip(deployments, served, strict=True):
        deployment.refresh_from_db()
        assert deployment.started_at is not None
        assert deployment.switched_at is not None
        parts["woken"].append((deployment.started_at - deployment.created_at).total_seconds())
        runs = {run.stage: run for run in deployment.stages.filter(app="web")}
        for stage in STAGES:
            parts.setdefault(stage, []).append(runs[stage].seconds or 0.0)
        begun = (deployment.switched_at - deployment.created_at).total_seconds()
        between = begun - sum(parts[part][-1] for part in ("woken", *STAGES))
        parts.setdefault("between the stages", []).append(between)
        parts.setdefault("asked, and switched → served", []).append(whole - begun)
        parts.setdefault("all", []).append(whole)
    return {name: median(values) for name, values in parts.items()}


@contextmanager
def tree(files: Mapping[str, str], *, like: Path | None = None) -> Iterator[Path]:
    """A directory with `files` and everything of `like`, as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="bp-b-") as made:
        directory = Path(made)
        for path in sorted(like.rglob("*")) if like else ():
            if path.is_file() and "__pycache__" not in path.parts:
                target = directory / path.relative_to(like)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        for name, text in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        yield directory
