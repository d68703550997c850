"""The proof, told through the dashboard's own forms: a git push, a live app, the next one without a failed request."""

import http.client
import re
import subprocess
import time

import httpx
import pytest

from apps.sources.hosted import Hosted
from tests.edge.load import Load
from tests.stack.github import push_payload, signed
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform

APP = """
import os, pathlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/disk":
            return self.answer(200, pathlib.Path("/data/note").read_text() if os.path.exists("/data/note") else "")
        self.answer({status}, "{words} " + os.environ.get("GREETING", "-") + " " + os.environ.get("TOKEN", "-"))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/disk":
            pathlib.Path("/data/note").write_text(body)
        self.answer(200, body)

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass

ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Repository:
    """A working copy whose pushes go to a repository that the platform hosts."""

    def __init__(self, platform, tmp_path, name):
        self.address = f"brainpod:home/{name}"
        self.work = tmp_path / "work"
        self.work.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("remote", "add", "origin", str(Hosted(platform.state / "repositories").create("home", name)))

    def push(self, words, status=200):
        """Commit an app that answers `words`, and push it; the commit's id."""
        (self.work / "app.py").write_text(APP.replace("{words}", words).replace("{status}", str(status)))
        (self.work / "Procfile").write_text("web: python app.py\nworker: python -u -c 'import time; time.sleep(9e9)'\n")
        (self.work / "requirements.txt").write_text("")
        self._git("add", "--all")
        self._git("-c", "user.name=Olive", "-c", "user.email=o@example.com", "commit", "--quiet", "-m", words)
        self._git("push", "--quiet", "origin", "main")
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments):
        done = subprocess.run(["git", *arguments], cwd=self.work, capture_output=True, text=True, check=True)
        return done.stdout.strip()


def request(platform, host, method="GET", path="/", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=30)
    connection.request(method, path, body, {"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def refused(visitor):
    """What the page says is wrong with what was sent."""
    found = re.findall(r'class="(?:invalid-feedback|alert)[^>]*>(.*?)</div>', visitor.page.text, re.DOTALL)
    return [re.sub(r"<[^>]*>|\s+", " ", words).strip() for words in found] or visitor.page.text


def new_pod(visitor, name):
    visitor.get("/pods/new/")
    visitor.fill("/pods/", {"name": name, "team": "home"})
    assert visitor.where() == f"/pods/{name}/"


def add(visitor, pod, kind, name, values):
    visitor.get(f"/pods/{pod}/resources/new/{kind}/")
    visitor.fill(f"/pods/{pod}/resources/new/{kind}/", {"name": name, **values})
    assert visitor.where() == f"/pods/{pod}/", refused(visitor)


def change(visitor, pod, name, values):
    visitor.get(f"/pods/{pod}/resources/{name}/?tab=configuration")
    visitor.fill(f"/pods/{pod}/resources/{name}/", values)
    assert "is in the draft" in visitor.page.text, refused(visitor)


def deploy(visitor, pod, words="", **values):
    """Review the draft and deploy it; the deployment's page."""
    visitor.get(f"/pods/{pod}/draft/")
    visitor.fill(f"/pods/{pod}/deployments/", {"summary": words, **values}, has="token")
    assert re.fullmatch(rf"/pods/{pod}/deployments/\w+/", visitor.where()), refused(visitor)
    return visitor.where()


def webhook(visitor, pod):
    """Give the pod a webhook as a person would; the path to post to, and the secret to paste into the git host."""
    visitor.get(f"/pods/{pod}/settings/")
    visitor.fill(f"/pods/{pod}/webhook/", {})
    path = re.search(r"/hooks/\w+/?", visitor.page.text)[0]
    return path, re.search(r'value="([\w-]{20,})"', visitor.press(f"/pods/{pod}/webhook/secret/").text)[1]


def deliver(platform, hook, secret, commit, repository):
    """What GitHub sends when `commit` was pushed."""
    body, headers = signed(push_payload(commit, url=repository), secret)
    sent = headers | {"Host": f"localhost:{platform.port}"}
    return httpx.post(platform.address + hook, content=body, headers=sent, timeout=30, trust_env=False)


def newest(visitor, pod):
    """The page of the pod's newest deployment."""
    return re.search(rf"/pods/{pod}/deployments/\w+/", visitor.get(f"/pods/{pod}/deployments/").text)[0]


def ended(visitor, page, seconds=180):
    """How the deployment at `page` ended: one of ready, failed, cancelled."""
    state = ""
    deadline = time.monotonic() + seconds
    while state not in ("ready", "failed", "cancelled"):
        assert time.monotonic() < deadline, f"{page} is {state} still"
        time.sleep(0.1)
        state = re.search(r'id="deployment".*?data-state="(\w+)"', visitor.get(page).text, re.DOTALL)[1]
    return state


def looked_up(visitor):
    """The deployment that asking for the newest commit has led to."""
    deadline = time.monotonic() + 180
    while "/lookups/" in visitor.where():
        assert time.monotonic() < deadline, visitor.page.text
        time.sleep(0.1)
        visitor.get(visitor.where())
    return visitor.where()


def measured(visitor, page, requests):
    """What the charts of `page` draw, once it has that many requests of the last hour."""
    deadline = time.monotonic() + 180
    while True:
        found = visitor.get(page).json()
        if sum(count or 0 for count in found["succeeded"]) * found["step"] / 60 >= requests:
            return found
        assert time.monotonic() < deadline, f"not counted: {found}"
        time.sleep(0.5)


@pytest.fixture
def visitor(platform):
    made = Visitor(platform)
    yield made
    made.close()


def test_push_to_live_and_back(platform, visitor, tmp_path):
    repository = Repository(platform, tmp_path, "shop")
    repository.push("first")
    new_pod(visitor, "shop")
    settings = {"variables.0.name": "GREETING", "variables.0.value": "good day", "secrets.0.name": "TOKEN"}
    add(visitor, "shop", "Config", "common", {**settings, "secrets.0.value": "one-s3cret"})
    add(visitor, "shop", "App", "web", {"source.repo": repository.address, "configs.0.name": "common"})
    add(visitor, "shop", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(visitor, deploy(visitor, "shop", "The first one")) == "ready"
    assert request(platform, "shop.localhost") == (200, "first good day one-s3cret")

    hook, secret = webhook(visitor, "shop")
    commit = repository.push("second")
    change(visitor, "shop", "common", {"secrets.0.value": "two-s3cret"})
    with Load(platform.port, "shop.localhost") as load:
        assert ended(visitor, deploy(visitor, "shop")) == "ready"
        assert request(platform, "shop.localhost")[1].endswith("two-s3cret"), "the draft's change is live"
        assert deliver(platform, hook, "not-the-secret", commit, repository.address).status_code == 401
        told = deliver(platform, hook, secret, commit, repository.address)
        assert (told.status_code, told.json()) == (202, {"verdict": f"Deploying web at {commit[:7]}."})
        assert ended(visitor, newest(visitor, "shop")) == "ready"
        again = deliver(platform, hook, secret, commit, repository.address)
        assert (again.status_code, "received before" in again.text) == (200, True), again.text
    assert load.answered > 100
    assert load.failures == []
    assert request(platform, "shop.localhost") == (200, "second good day two-s3cret")

    change(visitor, "shop", "web", {"healthCheckTimeout": "2"})
    assert ended(visitor, deploy(visitor, "shop")) == "ready"
    repository.push("third", status=503)
    with Load(platform.port, "shop.localhost") as load:
        visitor.get("/pods/shop/resources/web/")
        visitor.fill("/pods/shop/deployments/", {}, has="latest")
        assert ended(visitor, looked_up(visitor)) == "failed"
    assert load.failures == []
    assert "503" in visitor.page.text, "the page says what the health check saw"
    assert request(platform, "shop.localhost")[1].startswith("second"), "the old one goes on serving"

    visitor.get("/pods/shop/revisions/1/")
    began = time.monotonic()
    visitor.fill("/pods/shop/deployments/", {}, has="revision")
    page = visitor.where()
    while request(platform, "shop.localhost") != (200, "first good day one-s3cret"):
        assert time.monotonic() - began < 60, platform.tails()
        time.sleep(0.02)
    print(f"rollback served after {time.monotonic() - began:.2f} s")
    assert ended(visitor, page) == "ready"
    assert "The stored artifact serves" in visitor.page.text, "a rollback builds nothing"
    figures = measured(visitor, "/pods/shop/resources/web/metrics.json", load.answered)
    assert {mark["words"] for mark in figures["marks"]} == {"went live", "failed"}
    assert any(cores is not None for cores in figures["cpu"])
    assert any(figures["memory"])


def test_a_disk_has_one_writer_and_outlives_what_writes_to_it(platform, visitor, tmp_path):
    repository = Repository(platform, tmp_path, "notes")
    repository.push("notes")
    new_pod(visitor, "notes")
    add(visitor, "notes", "Disk", "store", {"size": "5"})
    mount = {"mounts.0.path": "/data", "mounts.0.disk": "store"}
    add(visitor, "notes", "App", "web", {"source.repo": repository.address, "healthCheckTimeout": "2", **mount})
    add(visitor, "notes", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(visitor, deploy(visitor, "notes")) == "ready"
    assert request(platform, "notes.localhost", "POST", "/disk", "kept")[0] == 200

    change(visitor, "notes", "web", {"env.0.name": "GREETING", "env.0.value": "changed"})
    assert ended(visitor, deploy(visitor, "notes")) == "ready"
    assert request(platform, "notes.localhost") == (200, "notes changed -")
    assert request(platform, "notes.localhost", path="/disk") == (200, "kept")

    change(visitor, "notes", "web", {"healthCheckPath": "/disk/", "startCommand": "false"})
    assert ended(visitor, deploy(visitor, "notes")) == "failed"
    deadline = time.monotonic() + 60
    while request(platform, "notes.localhost", path="/disk") != (200, "kept"):
        assert time.monotonic() < deadline, f"what had made room is back\n{platform.tails()}"
        time.sleep(0.1)

    visitor.get("/pods/notes/settings/")
    visitor.fill("/pods/notes/deletion/", {"confirmation": "notes"})
    deadline = time.monotonic() + 90
    while request(platform, "notes.localhost")[0] != 404 or list(platform.state.glob("pods/*/disks/store")):
        assert time.monotonic() < deadline, f"the host and the disk are gone\n{platform.tails()}"
        time.sleep(0.2)
    assert "/pods/notes/" not in visitor.get("/").text


def test_a_worker_and_replicas(platform, visitor, tmp_path):
    repository = Repository(platform, tmp_path, "crew")
    repository.push("crew")
    new_pod(visitor, "crew")
    add(visitor, "crew", "App", "web", {"source.repo": repository.address, "replicas": "2"})
    job = {"type": "worker", "startCommand": "python -u -c \"import time; print('at work'); time.sleep(9e9)\""}
    add(visitor, "crew", "App", "jobs", {"source.repo": repository.address, **job})
    add(visitor, "crew", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    page = deploy(visitor, "crew")
    assert ended(visitor, page) == "ready", visitor.page.text
    assert request(platform, "crew.localhost")[0] == 200
    visitor.wait("/pods/crew/resources/web/", "web.2")
    visitor.wait("/pods/crew/resources/jobs/", "jobs.1")
    workload = re.search(r"/pods/crew/workloads/(\w+)/log/", visitor.page.text)
    assert workload, "its log can be read"
    visitor.wait(workload[0], "at work")
