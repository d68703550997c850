"""A terminal in the browser: keys reach the app's instance, and leaving ends everything."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Windows
from tests.browser.pods import MadePod, make_pod, run
from tests.browser.repositories import Repository
from tests.engines.workloads import processes
from tests.stack.platform import Platform

pytestmark = [pytest.mark.platform, pytest.mark.browser]
PATIENCE = 120_000
SECONDS = 120.0
_ENDINGS = """
from apps.terminals.models import TerminalSession
print([s.ending for s in TerminalSession.objects.filter(pod_name=%r).order_by("id")])
"""


@pytest.fixture(scope="module")
def pod(platform: Platform, repository: Repository) -> MadePod:
    return make_pod(platform, repository.url)


def screen(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.locator(".xterm-rows")).to_contain_text(text, timeout=PATIENCE)


def sleeping(mark: str, wanted: bool) -> None:
    deadline = time.monotonic() + SECONDS
    while bool(processes("sleep", mark)) != wanted:
        assert time.monotonic() < deadline, f"sleep {mark} {'does not run' if wanted else 'goes on'}"
        time.sleep(0.1)


def test_a_shell_in_the_app(windows: Windows, pod: MadePod, platform: Platform, pictures: Path) -> None:
    page = windows(viewport={"width": 1280, "height": 800}).page
    page.goto(f"{pod.address}resources/web/")
    page.get_by_role("link", name="Terminal", exact=True).first.click()
    state = page.locator("[data-state].terminal-state")
    expect(state).to_have_text("Connected", timeout=PATIENCE)
    page.keyboard.type("echo $((6*7)) $BRAINPOD_APP; stty size\n")
    screen(page, "42 web")
    rows, columns = page.evaluate(
        "(() => { const t = document.querySelector('pod-terminal').terminal; return [t.rows, t.cols]; })()"
    )
    screen(page, f"{rows} {columns}")
    page.keyboard.type("printf '\\033[38;2;200;60;60mred\\033[0m \\033[32mgreen\\033[0m\\n'\n")
    page.screenshot(path=pictures / "terminal-1280.png")
    page.set_viewport_size({"width": 375, "height": 700})
    page.emulate_media(color_scheme="dark")
    page.keyboard.type("clear; stty size\n")
    expect(page.locator(".xterm-rows")).not_to_contain_text(f"{rows} {columns}", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=pictures / "terminal-375-dark.png")
    mark = f"34{time.time_ns() % 10_000_000}"
    page.keyboard.type(f"sleep {mark}\n")
    sleeping(mark, True)
    page.keyboard.press("Control+c")
    sleeping(mark, False)
    page.keyboard.press("Control+Shift+Escape")
    expect(page.get_by_role("button", name="Screen reader")).to_be_focused()
    page.get_by_role("button", name="Screen reader").click()
    expect(page.get_by_role("button", name="Screen reader")).to_have_attribute("aria-pressed", "true")
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type("exit 3\n")
    expect(page.get_by_text("Session ended: The shell ended with code 3.")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="New session").click()
    expect(state).to_have_text("Connected", timeout=PATIENCE)
    page.keyboard.type(f"sleep {mark}1 & sleep {mark}1\n")
    sleeping(f"{mark}1", True)
    page.close()
    sleeping(f"{mark}1", False)
    deadline = time.monotonic() + SECONDS
    while (found := run(platform, _ENDINGS % pod.name)) != "['exited', 'left']":
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
