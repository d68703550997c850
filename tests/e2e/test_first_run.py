"""The proof: the platform as a newcomer starts it, from a commit to a live app, and back."""

import time

import httpx
import pytest

from apps.sources.hosted import Hosted

pytestmark = pytest.mark.platform


def answer(platform, host):
    return httpx.get(platform.address, headers={"Host": host}, timeout=30, trust_env=False)


def run(platform, code):
    """Run `code` in the platform's own Django; what it printed."""
    return platform.manage("shell", "--no-imports", "-c", code).stdout.strip()


def last(platform):
    code = (
        "from apps.deployments.models import Deployment as D; d = D.objects.filter(pod__name='hello').first();"
        "print(d.state, d.revision.version, d.error_code or '-', d.trigger)"
    )
    return run(platform, code).splitlines()[-1].split()


def until(platform, version, state, seconds=120):
    deadline = time.monotonic() + seconds
    while last(platform)[:2] != [state, str(version)]:
        assert time.monotonic() < deadline, f"v{version} is not {state}: {last(platform)}\n{platform.tails()}"
        time.sleep(0.3)


DEPLOY = (
    "from apps.deployments import actions as a; from apps.pods.models import Pod;p = Pod.objects.get(name='hello'); "
)


def test_from_a_commit_to_a_live_app_and_back(platform):
    """One story on one platform: the demo, a second commit, a failing one, a rollback without a build."""
    platform.manage("demo", timeout=300)
    first = answer(platform, "hello.localhost")
    assert first.status_code == 200
    assert "Hello from your first pod" in first.text

    hosted = Hosted(platform.state / "repositories")
    work = platform.state / "work"
    for number, body in enumerate(("second", None), start=2):
        work.mkdir(exist_ok=True)
        (work / "requirements.txt").write_text("waitress==3.0.2\n")
        (work / "Procfile").write_text("web: waitress-serve --port=$PORT app:app\n")
        served = f"start('200 OK', [('Content-Type', 'text/plain')]); return [b'{body}']"
        failing = "start('500 No', []); return [b'no']"
        (work / "app.py").write_text(f"def app(environ, start):\n    {served if body else failing}\n")
        hosted.commit_tree("home", "hello", work, f"Commit {number}")
        run(platform, DEPLOY + "print(a.deploy_latest(pod=p, app='web', by=None).pk)")
        if body:
            until(platform, number, "ready")
            assert answer(platform, "hello.localhost").text == body
    until(platform, int(last(platform)[1]), "failed")
    assert last(platform)[2] == "health_check_status"
    assert answer(platform, "hello.localhost").text == "second", "a failing deployment takes nothing down"

    began = time.monotonic()
    run(platform, DEPLOY + "a.deploy_revision(pod=p, revision=p.revisions.get(version=1), by=None)")
    while "Hello from your first pod" not in answer(platform, "hello.localhost").text:
        assert time.monotonic() - began < 60
        time.sleep(0.1)
    until(platform, 1, "ready")
    assert last(platform)[3] == "rollback"


def test_it_comes_back_as_it_was(platform):
    """Everything stopped in order and started again: the app answers without anybody doing anything."""
    platform.manage("demo", timeout=300)
    assert platform.stop() == 0
    platform.start()
    deadline = time.monotonic() + 60
    while answer(platform, "hello.localhost").status_code != 200:
        assert time.monotonic() < deadline, platform.tails()
        time.sleep(0.2)


def test_a_killed_worker_loses_nothing(platform):
    """The worker is killed while it deploys; another takes the deployment over and ends it."""
    platform.manage("demo", timeout=300)
    run(platform, DEPLOY + "a.deploy_revision(pod=p, revision=p.revisions.get(version=1), by=None)")
    old = platform.kill("worker")
    platform.wait_restarted("worker", old)
    until(platform, 1, "ready", seconds=180)
    assert answer(platform, "hello.localhost").status_code == 200
