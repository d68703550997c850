"""Push to deploy, with the git client alone: from an empty platform to a live app, and what is said on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_push_to_live import APP, request
from tests.pushes.conftest import QUIET, Work
from tests.stack.platform import Platform
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
SECONDS = 180
TOKEN = """
from apps.accounts import tokens
from apps.accounts.models import Team, User
user = User.objects.order_by("id").first()
print("token", tokens.make(user=user, name="laptop", team=Team.objects.get(slug="home"))[1])
"""


class Pusher(Work):
    def push(self, to: str, *refs: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.git("push", self.url(to, token), *(refs or ("main",)), check=False)

    def app(self, words: str, status: int = 200, **files: str | bytes) -> str:
        """Commit an app that answers `words`."""
        text = APP.replace("{words}", words).replace("{status}", str(status))
        return self.commit(words, app_py=text, Procfile="web: python app.py\n", requirements_txt="", **files)


@pytest.fixture(scope="module")
def visitor(platform: Platform) -> Iterator[Visitor]:
    made = Visitor(platform)
    yield made
    made.close()


@pytest.fixture
def work(platform: Platform, visitor: Visitor, tmp_path: Path) -> Pusher:
    said = platform.manage("shell", "-v", "0", "-c", TOKEN).stdout
    token = next(line for line in said.splitlines() if line.startswith("token ")).split()[1]
    return Pusher(tmp_path / "work", platform.address, token)


def test_push_to_live(platform: Platform, visitor: Visitor, work: Pusher) -> None:
    work.app("first", large_bin=os.urandom(3_000_000))  # so large that git sends it in chunks
    done = work.push("pushed.git")
    assert done.returncode == 0, done.stderr + platform.tails()
    assert f"web is live at http://pushed.localhost:{platform.port}" in done.stderr, done.stderr
    assert "Health check · web passed" in done.stderr
    assert request(platform, "pushed.localhost")[1].startswith("first")

    work.app("second")
    done = work.push("pushed.git")
    assert "web is live at" in done.stderr, done.stderr
    assert request(platform, "pushed.localhost")[1].startswith("second")
    assert "Everything up-to-date" in work.push("pushed.git").stderr

    work.commit("broken", requirements_txt="/nowhere/at-all.whl\n")
    done = work.push("pushed.git")
    assert done.returncode == 0, "it is stored"
    assert "Failed: " in done.stderr, done.stderr
    assert "what was live before goes on serving" in done.stderr
    assert f"http://localhost:{platform.port}/pods/pushed/deployments/" in done.stderr
    assert request(platform, "pushed.localhost")[1].startswith("second")

    # A log that is far longer than what is on its way at once, and one that reads it with the rest.
    loud = {"build": {"buildCommand": "seq -f 'line %07.0f of many' 1 30000"}}
    work.app("loud", brainpod_json=json.dumps(loud))
    done = work.push("pushed.git")
    assert "web is live at" in done.stderr, done.stderr[-2000:]
    assert "line 0000001 of many" in done.stderr
    assert "line 0030000 of many" in done.stderr

    # Whoever stops listening stops nothing.
    work.app("slow", brainpod_json=json.dumps({"build": {"buildCommand": "echo begun; sleep 6; echo done"}}))
    child = subprocess.Popen(
        ["git", "push", work.url("pushed.git"), "main"], cwd=work.path, env=os.environ | QUIET,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert child.stderr
    for line in child.stderr:
        if "begun" in line:
            break
    os.killpg(child.pid, signal.SIGINT)
    child.communicate(timeout=SECONDS)
    assert child.returncode != 0
    deadline = time.monotonic() + SECONDS
    while not request(platform, "pushed.localhost")[1].startswith("slow"):
        assert time.monotonic() < deadline, platform.tails()
        time.sleep(0.2)

    raw = httpx.get(f"{platform.address}/git/%2e%2e/%2e%2e/secret-key", headers={"Host": "localhost"}, trust_env=False)
    assert raw.status_code in (400, 404)
    assert (platform.state / "secret-key").read_text() not in raw.text

    visitor.get("/pods/pushed/settings/")
    visitor.fill("/pods/pushed/deletion/", {"confirmation": "pushed"})
    deadline = time.monotonic() + SECONDS
    while list(platform.state.glob("repositories/home/pushed*")):
        assert time.monotonic() < deadline, platform.tails()
        time.sleep(0.2)
    assert not list(platform.state.glob("repositories/.new-*"))
