"""A pod goes from processes to Docker and back by one field: nobody notices, and its disk stays."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from django.conf import settings

from apps import artifacts, edge, engines
from apps.accounts.models import Team, User
from apps.artifacts.local import LocalArtifacts
from apps.builds.models import Build
from apps.builds.stored import stored_apps
from apps.deployments import actions, pipeline, reconcile
from apps.deployments.models import Deployment, Trigger, Workload
from apps.engines.base import Engine, State
from apps.engines.process.client import ProcessEngine
from apps.logs import reader
from apps.pods import actions as pods
from apps.pods.models import HostName, Pod, Revision
from apps.pods.plan import make_plan
from apps.secretstore.vault import Vault
from apps.sources.git import GitSource
from tests.edge.conftest import Stand, prepared
from tests.edge.load import Load
from tests.stack.docker import DockerDaemon
from tests.stack.docker_engine import PYTHON, engine_on

pytestmark = pytest.mark.django_db(transaction=True)
SERVER = """
import http.server, os, pathlib

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        note = pathlib.Path("/data/note")
        self.answer(note.read_text() if note.exists() else "nothing")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if os.path.isdir("/data"):
            with open("/data/note", "ab") as note:
                note.write(body)
        self.answer("taken")

    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # its own would be 5, and what comes beyond is refused

Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""
DOCKERFILE = f"""FROM {PYTHON}
COPY app.py /srv/
CMD ["python3", "/srv/app.py"]
"""


@dataclasses.dataclass
class Shop:
    """A pod with the app `web`, and the app `notes` with a disk; both follow their branch, no commit is pinned."""

    pod: Pod
    by: User
    front: Stand
    engines: Mapping[str, Engine]
    push: Callable[[str], None]
    """Commit another server to the branch."""

    def move(self, engine: str) -> Deployment:
        pods.choose_engine(pod=self.pod, engine=engine, by=self.by)
        return self.deploy()

    def deploy(self) -> Deployment:
        self.pod.refresh_from_db()
        return self.go(pods.seal(pod=self.pod, summary="", by=self.by), Trigger.MANUAL)

    def go(self, revision: Revision, trigger: Trigger) -> Deployment:
        deployment = actions.start(pod=self.pod, revision=revision, trigger=trigger, by=self.by)
        pipeline.run(deployment.pk)
        deployment.refresh_from_db()
        self.pod.refresh_from_db()
        told = "\n".join(line.text for line in reader.tail(deployment.stream, 2000))
        assert (deployment.state, deployment.error) == ("ready", ""), told
        return deployment

    @property
    def host(self) -> str:
        return HostName.objects.get(pod=self.pod).host

    def plan(self, revision: Revision) -> list[str]:
        found = make_plan(self.pod, revision, stored=stored_apps(revision))
        assert not found.problems
        return [line.consequence for line in found.changes]

    def runs_on(self, engine: str) -> bool:
        """Both apps serve there; nothing is left elsewhere, and neither engine has what nobody knows."""
        reconcile.reconcile()
        rows = list(Workload.objects.filter(pod=self.pod).exclude(state="stopped"))
        states = {row.engine: row.runner.status(row.handle).state for row in rows if row.serving}
        there = {row.pk for row in rows}
        return (
            len(rows) == 2
            and states == {engine: State.RUNNING}
            and all((there if name == engine else set()) == set(one.workloads()) for name, one in self.engines.items())
        )


@pytest.fixture
def both(
    docker_daemon: DockerDaemon, python_image: str, plain_or_not: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mapping[str, Engine]]:
    own = dataclasses.replace(settings.BRAINPOD, engines="docker", docker_host=docker_daemon.host)
    monkeypatch.setattr(settings, "BRAINPOD", own)
    with engine_on(docker_daemon) as (docker, _):
        found: dict[str, Engine] = {"process": plain_or_not, "docker": docker}
        monkeypatch.setattr(engines, "engine", lambda: found["process"])
        monkeypatch.setattr(engines, "named", lambda name: found[name or "process"])
        yield found
        for one in found.values():
            for workload in one.workloads():
                one.stop({"id": workload}, 0)


@pytest.fixture
def plain_or_not(engine_agent: ProcessEngine) -> ProcessEngine:
    if not engine_agent.check().sandbox:
        pytest.skip("without a sandbox a disk is not at its path")
    return engine_agent


@pytest.fixture
def shop(
    both: Mapping[str, Engine],
    openbao: Vault,
    valkey: str,
    team: Team,
    alice: User,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    source = GitSource(tmp_path / "git")
    source.hosted.create(team.slug, "shop")
    work = tmp_path / "work"
    work.mkdir()
    for name, text in {"requirements.txt": "", "Procfile": "web: python app.py\n", "Dockerfile": DOCKERFILE}.items():
        (work / name).write_text(text)

    def push(server: str) -> None:
        (work / "app.py").write_text(server)
        source.hosted.commit_tree(team.slug, "shop", work, "Serve notes")

    push(SERVER)
    with prepared() as front:
        front.start()
        store = LocalArtifacts(front.root / "artifacts")
        monkeypatch.setattr(edge, "edge", lambda: front.edge)
        monkeypatch.setattr("apps.sources.source", lambda: source)
        monkeypatch.setattr(artifacts, "artifacts", lambda: store)
        pod = pods.create_pod(team=team, name=f"shop-{secrets.token_hex(4)}", by=alice)
        app = {"source": {"repo": f"brainpod:{team.slug}/shop"}, "instance": ".25x", "healthCheckTimeout": 120}
        mounts = {"mounts": [{"path": "/data", "disk": "kept"}]}
        rules = {"rules": [{"path": "/", "app": "web"}, {"path": "/notes", "app": "notes"}]}
        for kind, name, spec in (
            ("Disk", "kept", {"size": 5}),
            ("App", "web", app),
            ("App", "notes", app | mounts),
            ("Route", "site", rules),
        ):
            pods.save_resource(pod=pod, kind=kind, name=name, spec=spec, by=alice, create=True)
        yield Shop(pod, alice, front, both, push)


def note(shop: Shop, words: str) -> None:
    answer = shop.front.ask(shop.host, "/notes", method="POST", content=words.encode())
    assert answer.text == "taken"


def test_there_and_back_without_a_failed_request_and_with_its_disk(shop: Shop) -> None:
    first = shop.deploy()
    assert shop.runs_on("process")
    note(shop, "one ")
    shop.push("raise SystemExit('nobody asked for this commit')")
    commits = dict(first.revision.builds.values_list("app", "commit"))

    with Load(shop.front.port, shop.host) as load:
        pods.choose_engine(pod=shop.pod, engine="docker", by=shop.by)
        draft = shop.pod.draft
        assert draft is not None
        assert shop.plan(draft) == [
            f"moves {shop.pod.name} from processes on this host to Docker",
            "rebuilds notes for Docker from the default branch, then restarts it with a short pause: its disk has one"
            " writer",
            "rebuilds web for Docker from the default branch, then restarts it, no downtime",
        ]
        there = shop.deploy()
        assert there.revision.summary == "Move to Docker"
        assert shop.runs_on("docker")
        assert set(Build.objects.filter(revision=there.revision).values_list("artifact__kind", flat=True)) == {"image"}
        assert dict(there.revision.builds.values_list("app", "commit")) == commits
        assert shop.front.ask(shop.host, "/notes").text == "one "
        note(shop, "two ")

        back = shop.move("process")
        assert shop.runs_on("process")
        assert not back.stages.filter(stage="build", state="passed").exists(), "what was built for it serves again"
        assert shop.front.ask(shop.host, "/notes").text == "one two "
        note(shop, "three ")

        assert shop.plan(there.revision) == [
            f"moves {shop.pod.name} from processes on this host to Docker",
            "starts notes anew on Docker with a short pause: its disk has one writer",
            "starts web anew on Docker, no downtime",
        ]
        shop.go(there.revision, Trigger.ROLLBACK)
        assert shop.runs_on("docker")
        assert shop.front.ask(shop.host, "/notes").text == "one two three "
        note(shop, "four")
    assert load.failures == []
    assert load.answered > 0


def test_one_that_does_not_start_there_stays_where_it_is(shop: Shop) -> None:
    shop.deploy()
    note(shop, "one")
    pods.choose_engine(pod=shop.pod, engine="docker", by=shop.by)
    app = shop.pod.draft.snapshot()["notes"].spec if shop.pod.draft else {}
    pods.save_resource(
        pod=shop.pod, kind="App", name="notes", spec=app | {"startCommand": "exit 127"}, by=shop.by, create=False
    )
    shop.pod.refresh_from_db()
    deployment = actions.start(
        pod=shop.pod, revision=pods.seal(pod=shop.pod, summary="", by=shop.by), trigger=Trigger.MANUAL, by=shop.by
    )
    pipeline.run(deployment.pk)
    deployment.refresh_from_db()
    assert deployment.state == "failed"
    assert deployment.error_code == "start_command_not_found"
    shop.pod.refresh_from_db()
    assert shop.runs_on("process")
    assert not Workload.objects.get(pod=shop.pod, app="notes", serving=True).yielded_to_id
