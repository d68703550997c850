"""A whole task with the keyboard alone, from signing in to a deployment: where one is can be seen at every step."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from apps.core.ids import new_id
from tests.browser.conftest import EMAIL, PASSWORD
from tests.browser.pods import make_pod as make_live_pod
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

    def is_kept(self, name: str) -> None:
        """What had the focus has it still, whatever was swapped around it."""
        assert self.page.evaluate(HERE)["name"] == name
        self.is_seen()

    def goes_live(self, at: str) -> None:
        """While one waits at what is called `at`, and the page is refreshed around it."""
        self.to(at)
        expect(self.page.locator("#deployment .status").first).to_have_text("Ready", timeout=PATIENCE)

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
    repository.commit("Build while somebody tabs to Cancel", lines=80, pause=0.1)
    with Window(browser, platform.url(), viewport={"width": 1280, "height": 800}) as window:
        page, pod = window.page, f"keys-{new_id()[-8:]}"
        keys = Keys(page)
        page.goto("/sign-in/")
        page.locator("body").wait_for()
        sign_in(keys)
        make_pod(keys, pod)
        add_app(keys, repository)
        deploy(keys, pod, "By the keys")
        keys.goes_live("Cancel")
        page.wait_for_timeout(1000)  # until what came is settled, and nothing takes the focus away any more
        assert page.evaluate("document.activeElement.id") == "deployment", "Cancel is gone, the place around it is not"
        keys.is_seen()


def deploy(keys: Keys, pod: str, message: str) -> None:
    keys.press("Review")
    expect(keys.page.locator(".plan")).to_contain_text("web")
    keys.into("Message", message)
    keys.press("Deploy")
    keys.page.wait_for_url(f"**/pods/{pod}/deployments/*/")


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


@pytest.mark.parametrize("width", [1280, 375])
def test_from_a_change_to_a_rollback(
    browser: Browser, platform: Platform, signed_in: StorageState, repository: Repository, width: int
) -> None:
    """An App's field is changed, deployed and taken back, and the deployment found with the palette."""
    pod = make_live_pod(platform, repository.url)
    with Window(browser, platform.url(), storage_state=signed_in, viewport={"width": width, "height": 800}) as window:
        page, keys = window.page, Keys(window.page)
        page.goto(f"/pods/{pod.name}/resources/web/?tab=configuration")
        keys.into("Start command", "python -u app.py")
        keys.press("Save to the draft")
        expect(page.locator("#draft_bar")).to_contain_text("1 change in the draft")
        deploy(keys, pod.name, "A change by the keys")
        keys.goes_live("Deployments")
        keys.is_kept("Deployments")
        roll_back(keys, pod.name)
        find(keys, "A change by the keys")


def roll_back(keys: Keys, pod: str) -> None:
    """The question is asked in a dialog that Escape leaves, with the focus back on the button."""
    page = keys.page
    page.goto(f"/pods/{pod}/revisions/1/")
    keys.press("Roll back to here")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Make v1 live?")
    keys.is_kept("Keep what runs")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    keys.is_kept("Roll back to here")
    page.keyboard.press("Space")
    expect(dialog).to_be_visible()
    keys.press("Deploy v1")
    page.wait_for_url(f"**/pods/{pod}/deployments/*/")
    keys.goes_live("Deployments")
    keys.is_kept("Deployments")
    expect(page.locator("#deployment h2")).to_contain_text("Rollback to v1")


def find(keys: Keys, words: str) -> None:
    """The palette leads to a deployment; left with Escape it gives the focus back."""
    page = keys.page
    before = page.evaluate(HERE)["name"]
    page.keyboard.press("Control+K")
    keys.is_kept("Search")
    page.keyboard.press("Escape")
    keys.is_kept(before)
    page.keyboard.press("Control+K")
    page.keyboard.type(words)
    hit = page.locator("#palette-hits [role=option]", has_text=words).first
    hit.wait_for()
    for _ in range(FARTHEST):
        if hit.get_attribute("aria-selected") == "true":
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("h1, h2", has_text="v2").first.wait_for()
    expect(page.locator("main")).to_contain_text(words)
