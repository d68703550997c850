"""The platform's own lines: one form for everybody's, with what is known about the work under way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from celery.signals import before_task_publish, task_prerun
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.log import log_response

from apps.deployments import tasks

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4"
CODE = f"""
import logging, logging.config, structlog, warnings
from brainpod import logging as ours
logging.config.dictConfig(ours.configure("FORM"))
logging.config.dictConfig(ours.configure("FORM"))
structlog.contextvars.bind_contextvars(request="r-1")
logging.getLogger("django.request").warning("Not Found: %s", "/welcome/{TOKEN}/")
logging.getLogger("httpx").info("never")
structlog.get_logger("apps.x").info("moved", app="web", link="/sign-in/{TOKEN}/")
try:
    raise ValueError("/invitations/{TOKEN}/")
except ValueError:
    structlog.get_logger("apps.x").exception("broke")
"""


def lines(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE.replace("FORM", form)],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert TOKEN not in done.stderr
    assert "never" not in done.stderr
    return done.stderr.splitlines()


def test_json() -> None:
    first, second, third = (json.loads(line) for line in lines("json"))
    assert first["timestamp"].endswith("Z")
    del first["timestamp"], second["timestamp"]
    assert first == {
        "message": "Not Found: /welcome/…/", "level": "warning", "logger": "django.request", "request": "r-1",
    }  # fmt: skip
    assert second == {
        "message": "moved", "level": "info", "logger": "apps.x", "request": "r-1", "app": "web", "link": "/sign-in/…/",
    }  # fmt: skip
    assert third["message"] == "broke"
    assert "ValueError: /invitations/…/" in third["exception"]


@pytest.mark.parametrize(
    ("path", "status", "sent", "logged"),
    [
        ("/git/shop.git/info/refs", 401, {}, False),
        ("/git/shop.git/info/refs", 401, {"authorization": "Basic eDp5"}, True),
        ("/git/shop.git/info/refs", 404, {}, True),
        ("/git/shop.git/git-receive-pack", 401, {}, True),
        ("/api/v1/pods/", 401, {}, True),
    ],
)
def test_only_what_git_asks_first_is_no_news(
    path: str, status: int, sent: dict[str, str], logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    response = HttpResponse(status=status)
    log_response(
        "%s: %s", response.reason_phrase, path, response=response, request=RequestFactory().get(path, headers=sent)
    )
    assert (path in caplog.text) == logged


def test_what_ends_a_process_or_a_thread_is_a_line_too() -> None:
    code = f"""
import logging.config, threading
from brainpod import logging as ours
logging.config.dictConfig(ours.configure("json"))
def broken(): raise KeyError("in a thread")
thread = threading.Thread(target=broken, name="counting")
thread.start()
thread.join()
raise ValueError("/invitations/{TOKEN}/")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    thread, process = (json.loads(line) for line in done.stderr.splitlines())
    assert (thread["level"], thread["message"]) == ("error", "counting ended by an error")
    assert "KeyError: 'in a thread'" in thread["exception"]
    assert (process["level"], process["message"]) == ("critical", "ended by an error")
    assert "ValueError: /invitations/…/" in process["exception"]


def test_what_python_would_say_past_all_handlers_is_a_line_too() -> None:
    code = """
import logging.config, warnings
from brainpod import logging as ours
logging.config.dictConfig(ours.configure("json"))
warnings.warn("old", stacklevel=1)
class Broken:
    def __del__(self): raise ValueError("too late")
del (broken := [Broken()])[0]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    warned, uncaught = (json.loads(line) for line in done.stderr.splitlines())
    assert (warned["level"], warned["logger"]) == ("warning", "py.warnings")
    assert (uncaught["level"], uncaught["logger"]) == ("error", "brainpod")
    assert "Broken.__del__" in uncaught["message"]
    assert "ValueError: too late" in uncaught["exception"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_worker_s_words_on_being_stopped_have_the_form_of_its_lines(form: str) -> None:
    code = """
import django
django.setup()
from celery.apps import worker
from celery.signals import celeryd_init
from brainpod import celery
celeryd_init.send("worker", instance=None, conf=None, options={})
worker.safe_say("Cold shutdown", None)
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "brainpod.settings", "BRAINPOD_LOG_FORMAT": form}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    said = json.loads(done.stderr)["message"] if form == "json" else done.stderr.strip()
    assert said == "Cold shutdown"


def test_for_people() -> None:
    text = "\n".join(lines("console"))
    for word in ("Not Found: /welcome/…/", "request=r-1", "app=web", "ValueError: /invitations/…/"):
        assert word in text


def test_a_task_s_lines_name_what_it_is_about() -> None:
    structlog.contextvars.bind_contextvars(left="over")
    try:
        for task, bound in ((tasks.run_deployment, {"deployment": "d-1"}), (tasks.reconcile, {})):
            task_prerun.send(None, task_id="t-1", task=task, args=("d-1",), kwargs={})
            assert structlog.contextvars.get_contextvars() == {"task": "t-1", **bound}
    finally:
        structlog.contextvars.clear_contextvars()


def test_a_task_belongs_to_the_request_it_was_sent_in() -> None:
    headers: dict[str, str] = {}
    structlog.contextvars.bind_contextvars(request="r-12345678")
    before_task_publish.send("deployments.reconcile", headers=headers)
    structlog.contextvars.clear_contextvars()
    tasks.reconcile.push_request(**headers)  # as a worker makes it of a message's headers
    try:
        task_prerun.send(None, task_id="t-1", task=tasks.reconcile, args=(), kwargs={})
        assert structlog.contextvars.get_contextvars() == {"task": "t-1", "request": "r-12345678"}
    finally:
        tasks.reconcile.pop_request()
        structlog.contextvars.clear_contextvars()


def test_the_agents_lines_have_the_form_of_the_others() -> None:
    """They run without Django and structlog."""
    code = f"""
import logging
from apps.core import log_lines
log_lines.configure("FORM")
logging.getLogger("apps.x").info("%s", "run", extra={{"about": {{"id": "w-1", "request": "r-1"}}}})
try:
    raise ValueError("/invitations/{TOKEN}/")
except ValueError:
    logging.getLogger("apps.x").exception("broke")
"""
    told = {
        form: subprocess.run(
            [sys.executable, "-c", code.replace("FORM", form)],
            cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True, timeout=60,
        ).stderr
        for form in ("json", "console")
    }  # fmt: skip
    assert told["console"].startswith("apps.x: run id=w-1 request=r-1\napps.x: broke\nTraceback")
    first, second = map(json.loads, told["json"].splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {"message": "run", "id": "w-1", "request": "r-1", "level": "info", "logger": "apps.x"}
    assert "ValueError: /invitations/…/" in second["exception"]
    assert TOKEN not in told["json"] + told["console"]
