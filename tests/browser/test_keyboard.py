"""A whole task with the keyboard alone, from signing in to a deployment: where one is can be seen at every step."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from apps.core.ids import new_id
from tests.browser.conftest import EMAIL, PASSWORD
from tests.browser.repositories import Repository
from tests.browser.watching import Window
from tests.stack.platform import Platform

pytestmark = [pytest.mark.platform, pytest.mark.browser]
PATIENCE = 120_000  # milliseconds for what a worker has to do on a busy machine
DRAWN = 30.0  # seconds until what has the focus is drawn so
FARTHEST = 120  # presses of Tab
HERE = (Path(__file__).parent / "here.js").read_text()


class Keys:
    """Somebody without a mouse. What they stop at has to show soon that it has the focus."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, *names: str) -> None:
        """Tab to what is called one of `names`."""
        seen: list[str] = []
        for _ in range(FARTHEST):
            self.page.keyboard.press("Tab")
            at = self.page.evaluate(HERE)
            if at["name"] in names:
                self.is_seen()
                return
            seen.append(at["name"])
        raise AssertionError(f"none of {names} is reached by Tab: {seen}")

    def is_seen(self) -> None:
        """Once it has scrolled to and is drawn. Asked from here: the page's policy lets no script wait inside it."""
        end = time.monotonic() + DRAWN
        while not self.page.evaluate(HERE)["visible"]:
            assert time.monotonic() < end, "what has the focus does not show it"
            self.page.wait_for_timeout(50)

    def into(self, field: str, text: str) -> None:
        self.to(field)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def press(self, *names: str) -> None:
        self.to(*names)
        self.page.keyboard.press("Enter")


def test_from_signing_in_to_a_deployment(
    browser: Browser, platform: Platform, signed_in: StorageState, repository: Repository
) -> None:
    """`signed_in`: that there is somebody who has a password."""
    with Window(browser, platform.url(), viewport={"width": 1280, "height": 800}) as window:
        page, pod = window.page, f"keys-{new_id()[-8:]}"
        keys = Keys(page)
        page.goto("/sign-in/")
        page.locator("body").wait_for()
        sign_in(keys)
        make_pod(keys, pod)
        add_app(keys, repository)
        keys.press("Review")
        expect(page.locator(".plan")).to_contain_text("web")
        keys.into("Message", "By the keys")
        keys.press("Deploy")
        page.wait_for_url(f"**/pods/{pod}/deployments/*/")
        expect(page.locator("#deployment .status").first).to_have_text("Ready", timeout=PATIENCE)


def sign_in(keys: Keys) -> None:
    at = keys.page.evaluate(HERE)
    if at["name"] != "E-mail":  # where a page begins with the focus in its first field
        keys.to("E-mail")
    keys.page.keyboard.type(EMAIL)
    keys.into("Password", PASSWORD)
    keys.page.keyboard.press("Enter")
    keys.page.get_by_role("heading", name="Pods", exact=True).wait_for()


def make_pod(keys: Keys, pod: str) -> None:
    keys.press("New pod", "Make a pod")
    heading = keys.page.get_by_role("button", name="Make the pod")
    heading.wait_for()
    if keys.page.evaluate(HERE)["name"] != "Name":
        keys.to("Name")
    keys.page.keyboard.type(pod)
    keys.press("Make the pod")
    keys.page.wait_for_url(f"**/pods/{pod}/")


def add_app(keys: Keys, repository: Repository) -> None:
    keys.press("Add an app")
    keys.page.get_by_role("button", name="Add to the draft").wait_for()
    if keys.page.evaluate(HERE)["name"] != "Name":
        keys.to("Name")
    keys.page.keyboard.type("web")
    keys.into("Repository", repository.url)
    keys.into("Build command", "python build.py")
    keys.press("Add to the draft")
    expect(keys.page.get_by_text("web is in the draft.")).to_be_visible()
