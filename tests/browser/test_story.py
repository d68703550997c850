"""What a person does with the platform, from the console's link to signing out, in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from apps.core.ids import new_id
from tests.browser.conftest import sign_in
from tests.browser.repositories import Repository
from tests.browser.watching import SECONDS, Window
from tests.stack.platform import Platform

pytestmark = [pytest.mark.platform, pytest.mark.browser]
PATIENCE = 120_000  # milliseconds for what a worker has to do on a busy machine


class Person:
    """Somebody at the dashboard, with one pod."""

    def __init__(self, page: Page, platform: Platform, pod: str) -> None:
        self.page, self.platform, self.pod = page, platform, pod

    def make_pod(self, repository: Repository) -> None:
        page = self.page
        page.get_by_role("link", name=re.compile("New pod|Make a pod")).first.click()
        page.get_by_label("Name").fill(self.pod)
        page.get_by_role("button", name="Make the pod").click()
        page.get_by_role("link", name="Add an app").click()
        page.get_by_label("Name", exact=True).first.fill("web")
        page.get_by_label("Repository").fill(repository.url)
        page.get_by_label("Build command").fill("python build.py")
        page.get_by_label("Instance", exact=True).select_option(".25x")
        page.get_by_role("button", name="Add to the draft").click()
        expect(page.get_by_text("web is in the draft.")).to_be_visible()
        page.get_by_label("Add to routes").click()
        page.get_by_label("Name", exact=True).first.fill("site")
        page.locator('[name="rules.0.path"]').fill("/")
        page.locator('[name="rules.0.app"]').select_option("web")
        page.get_by_role("button", name="Add to the draft").click()
        expect(page.locator("#draft_bar")).to_contain_text("2 changes")

    def set_greeting(self, text: str) -> None:
        page = self.page
        page.goto(f"/pods/{self.pod}/resources/web/?tab=configuration")
        name = page.locator('[name="env.0.name"]')
        if name.input_value() == "":
            name.fill("GREETING")
        page.locator('[name="env.0.value"]').fill(text)
        page.get_by_role("button", name="Save to the draft").click()
        expect(page.locator("#draft_bar")).to_contain_text("1 change in the draft")

    def deploy_draft(self, message: str) -> None:
        page = self.page
        page.locator("#draft_bar").get_by_role("link", name="Review").click()
        page.get_by_label("Message").fill(message)
        page.get_by_role("button", name="Deploy").click()
        page.wait_for_url(f"**/pods/{self.pod}/deployments/*/")
        self.stay()

    def stay(self) -> None:
        """Mark the document, to see later that nobody loaded it again."""
        self.page.evaluate("window.stayed = true")

    def becomes(self, word: str) -> None:
        """The state of the deployment's page, and of the pod above it, without loading the page again."""
        expect(self.page.locator("#deployment .status").first).to_have_text(word, timeout=PATIENCE)
        assert self.page.evaluate("window.stayed") is True

    def site_says(self, text: str) -> None:
        site = self.page.context.new_page()
        deadline = SECONDS * 20
        for _ in range(deadline):
            site.goto(self.platform.url(f"{self.pod}.localhost"))
            if site.get_by_role("heading", name=text, exact=True).count():
                break
            site.wait_for_timeout(50)
        expect(site.get_by_role("heading", name=text, exact=True)).to_be_visible()
        site.close()


def test_from_the_first_link_to_signing_out(browser: Browser, platform: Platform, repository: Repository) -> None:
    repository.commit("Take a while to build", lines=40, pause=0.08)
    with Window(browser, platform.url(), viewport={"width": 1280, "height": 800}) as window:
        sign_in(window, platform.signin())
        person = Person(window.page, platform, f"story-{new_id()[-8:]}")
        person.make_pod(repository)
        first_deployment(person)
        second_deployment_and_rollback(person)
        comparison(person)
        cancellation(person, repository)
        discarding(person)
        leaving(person)


def first_deployment(person: Person) -> None:
    page = person.page
    page.locator("#draft_bar").get_by_role("link", name="Review").click()
    expect(page.locator("#draft")).to_contain_text("source.repo")
    expect(page.locator(".plan")).to_contain_text("web")
    person.deploy_draft("The first one")
    stages = page.get_by_role("list", name="Stages of web").get_by_role("listitem")
    expect(stages).to_have_count(8, timeout=PATIENCE)
    expect(page.locator(".log-row", has_text="build line 1").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#deployment .status").first).to_have_text("In progress")
    expect(page.locator(".log-status")).to_have_text("LIVE")
    expect(page.locator(".log-section", has=page.get_by_text("Clone · web"))).to_be_visible()
    person.becomes("Ready")
    expect(page.locator("#pod_bar .status")).to_have_text("Live", timeout=PATIENCE)
    expect(page.locator(".log-row", has_text="build line")).to_have_count(40)
    expect(stages.filter(has_text="passed")).to_have_count(8)
    person.site_says("hello")


def second_deployment_and_rollback(person: Person) -> None:
    page = person.page
    person.set_greeting("second")
    page.locator("#draft_bar").get_by_role("link", name="Review").click()
    expect(page.locator(".diff")).to_contain_text("second")
    person.deploy_draft("Another greeting")
    person.becomes("Ready")
    person.site_says("second")

    page.goto(f"/pods/{person.pod}/revisions/1/")
    page.get_by_role("button", name="Roll back to here").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Make v1 live?")
    expect(dialog).to_contain_text("It cannot bring back")
    dialog.get_by_role("button", name="Deploy v1").click()
    page.wait_for_url(f"**/pods/{person.pod}/deployments/*/")
    person.stay()
    expect(page.locator("#deployment h2")).to_have_text(re.compile("Rollback to v1"))
    person.becomes("Ready")
    person.site_says("hello")


def comparison(person: Person) -> None:
    page = person.page
    page.get_by_role("link", name="Revisions").click()
    page.get_by_label("compare from v1").check()
    page.get_by_label("compare to v2").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="From v1 to v2")).to_be_visible()
    expect(page.locator(".diff")).to_contain_text("second")


def cancellation(person: Person, repository: Repository) -> None:
    repository.commit("Never ready", lines=3000, pause=0.1)
    page = person.page
    page.goto(f"/pods/{person.pod}/resources/web/")
    page.get_by_role("button", name="Deploy latest commit").click()
    page.wait_for_url(f"**/pods/{person.pod}/deployments/*/")
    expect(page.locator(".log-row", has_text="build line 3").first).to_be_visible(timeout=PATIENCE)
    press_through_a_refresh(page, page.get_by_role("button", name="Cancel", exact=True).first)
    ended = page.locator("#deployment .status", has_text="Cancelled")  # before the page came back, perhaps
    expect(page.get_by_text("being cancelled…").or_(ended)).to_be_visible(timeout=PATIENCE)
    person.stay()
    person.becomes("Cancelled")
    expect(page.locator("#pod_bar .status")).to_have_text("Live", timeout=PATIENCE)
    person.site_says("hello")


def press_through_a_refresh(page: Page, button: Locator) -> None:
    """A person's press is slow, and the page may have been refreshed between its down and its up."""
    button.hover()
    page.mouse.down()
    with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "deployment"):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('pod-changed'))")
    page.wait_for_timeout(300)  # htmx puts what came into the page after its settling delay
    page.mouse.up()


def discarding(person: Person) -> None:
    page = person.page
    person.set_greeting("never seen")
    page.locator("#draft_bar").get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard the draft").click()
    expect(page.get_by_text("The draft was discarded.")).to_be_visible()
    expect(page.locator("#draft_bar")).to_be_empty()


def leaving(person: Person) -> None:
    page = person.page
    page.get_by_role("link", name="Teams").click()
    page.get_by_role("link", name="home", exact=True).click()
    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(f"/pods/{person.pod}/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
