"""Chromium, and a person signed in to the running platform."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, StorageState, sync_playwright

from apps.core.ids import new_id
from tests.browser.repositories import Repository
from tests.browser.watching import Window
from tests.stack.platform import Platform

EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"
Windows = Callable[..., Window]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module: Playwright's event loop must have ended before tests with one of their own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(
                executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"]
            )
        except Error as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"{path} does not start: {error}")
        yield started
        started.close()


def sign_in(window: Window, link: str) -> None:
    """By the console's one-time link, making the first account if there is none."""
    page = window.page
    page.goto(link)
    if "/welcome/" in link:
        page.get_by_label("Name").fill("Ada")
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Make the account").click()
    else:
        page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Pods", exact=True).wait_for()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, platform: Platform) -> StorageState:
    """The cookies of somebody who signed in."""
    with Window(browser, platform.url()) as window:
        sign_in(window, platform.signin())
        return window.context.storage_state()


@pytest.fixture
def windows(browser: Browser, platform: Platform, signed_in: StorageState) -> Iterator[Windows]:
    """Opens watched windows of the one who is signed in; they are checked and closed at the end of the test."""
    opened: list[Window] = []

    def open_window(**options: Any) -> Window:
        opened.append(Window(browser, platform.url(), storage_state=signed_in, **options))
        return opened[-1]

    yield open_window
    for window in opened:
        window.context.close()
    for window in opened:
        window.check()


@pytest.fixture
def window(windows: Windows) -> Window:
    return windows(viewport={"width": 1280, "height": 800})


@pytest.fixture(scope="module")
def repository(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository hosted by the platform, with an app that says what it is told to."""
    made = Repository(platform.state / "repositories", f"app{new_id()[-8:]}", tmp_path_factory.mktemp("work"))
    made.commit("Say hello")
    return made


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: BRAINPOD_SCREENSHOTS of the caller's environment, or the run's temporary directory."""
    given = os.environ.get("BRAINPOD_SCREENSHOTS")
    path = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path
