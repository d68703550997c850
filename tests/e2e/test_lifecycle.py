"""On the whole platform, by its own forms: restarted and stopped under requests, asleep, and woken by many at once."""

import concurrent.futures
import http.client
import signal
import time

import pytest

from tests.e2e.test_push_to_live import Repository, add, deploy, ended, new_pod, request
from tests.edge.load import Load
from tests.stack.components import wait_for
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
SLEEP = """
from apps.deployments import lifecycle
from apps.deployments.release import Release
from apps.pods.models import Pod
pod = Pod.objects.get(name="{pod}")
control = lifecycle.control_of(pod.pk, "web")
assert lifecycle.put_to_sleep(control=control, fingerprint=Release.of(pod.live).fingerprint("web"), words="Slept")
"""


@pytest.fixture
def visitor(platform):
    made = Visitor(platform)
    yield made
    made.close()


def press(visitor, pod, action):
    """The button of that name on the app's page."""
    page = f"/pods/{pod}/resources/web/"
    visitor.get(page)
    visitor.fill(f"{page}lifecycle/", {"action": action})
    assert visitor.where() == page, visitor.page.text


def gone(visitor, pod):
    visitor.wait(f"/pods/{pod}/resources/web/", "No instance runs")


def ask(platform, host, number):
    """A request that waits as long as it takes; whether its own body came back."""
    body = f"{number:03d}".encode() * 1000
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=180)
    connection.request("POST", "/", body, {"Host": host})
    answer = connection.getresponse()
    same = answer.read() == body
    connection.close()
    return answer.status, same


def test_restart_stop_start_sleep_and_wake(platform, visitor, tmp_path):
    repository = Repository(platform, tmp_path, "rest")
    repository.push("rest")
    new_pod(visitor, "rest")
    add(visitor, "rest", "App", "web", {"source.repo": repository.address, "sleepAfter": "60"})
    add(visitor, "rest", "Route", "site", {"rules.0.path": "/", "rules.0.app": "web"})
    assert ended(visitor, deploy(visitor, "rest")) == "ready"
    host = "rest.localhost"

    with Load(platform.port, host) as load:
        press(visitor, "rest", "restart")
        visitor.wait("/pods/rest/resources/web/", "1 instance started in ")
        seen = load.answered
        wait_for(lambda: load.answered > seen + 100, 60, "more answers")
    assert load.failures == []

    press(visitor, "rest", "stop")
    gone(visitor, "rest")
    assert "Stopped by " in visitor.page.text
    status, page = request(platform, host)
    assert (status, "has been stopped" in page) == (503, True)
    assert 'data-state="stopped"' in visitor.get("/pods/rest/").text
    press(visitor, "rest", "start")
    wait_for(lambda: request(platform, host)[0] == 200, 120, "the app to answer again")

    platform.manage("shell", "-c", SLEEP.format(pod="rest"))
    gone(visitor, "rest")
    assert "Asleep since" in visitor.page.text
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(50) as people:
        first = people.submit(ask, platform, host, 0)
        rest = [people.submit(ask, platform, host, number) for number in range(1, 50)]
        assert first.result() == (200, True)
        print(f"awake and answered after {time.monotonic() - began:.2f} s")
        assert [one.result() for one in rest] == [(200, True)] * 49
    assert visitor.get("/pods/rest/resources/web/").text.count("Woken by a request") == 1

    platform.manage("shell", "-c", SLEEP.format(pod="rest"))
    gone(visitor, "rest")
    with concurrent.futures.ThreadPoolExecutor(8) as people:
        waiting = [people.submit(ask, platform, host, number) for number in range(8)]
        platform.wait_restarted("worker", platform.kill("worker", signal.SIGKILL), seconds=120)
        assert [one.result() for one in waiting] == [(200, True)] * 8
