"""What changes on open pages by itself: badges, the plan of a build, the stages of a log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Windows
from tests.browser.pods import MadePod, make_pod, run
from tests.browser.repositories import Repository
from tests.browser.test_pages import look_at
from tests.browser.watching import Window
from tests.stack.platform import Platform

pytestmark = [pytest.mark.platform, pytest.mark.browser]
PATIENCE = 120_000
WIDE = {"width": 1280, "height": 800}
_DEPLOY = """
import time
from apps.deployments import lookups
from apps.pods.models import Pod
lookup = lookups.deploy_latest(pod=Pod.objects.get(name=%r), app="web", by=None)
deadline = time.monotonic() + 120
while lookup.is_open and time.monotonic() < deadline:
    time.sleep(0.1)
    lookup.refresh_from_db()
print(lookup.deployment.pk)
"""
_REPOSITORY = """
from apps.pods import actions
from apps.pods.models import Pod
pod = Pod.objects.get(name=%r)
print(actions.create_pod(team=pod.team, name=%r, by=None).name)
"""


@pytest.fixture(scope="module")
def pod(platform: Platform, repository: Repository) -> MadePod:
    return make_pod(platform, repository.url)


def test_badges_follow_a_deployment_everywhere(
    windows: Windows, pod: MadePod, repository: Repository, platform: Platform
) -> None:
    home, listing = windows(viewport=WIDE).page, windows(viewport=WIDE).page
    home.goto("/")
    listing.goto(f"{pod.address}deployments/")
    for page in (home, listing):
        page.evaluate("window.stayed = true")
        expect(page.locator("body")).to_have_attribute("data-live", "connected")
    badge = home.locator("#pods .card", has=home.get_by_role("link", name=pod.name, exact=True)).locator(".status")
    expect(badge).to_have_text("Live")
    repository.commit("Build for a while", lines=60, pause=0.1)
    run(platform, _DEPLOY % pod.name)
    expect(badge).to_have_text("Deploying", timeout=PATIENCE)
    expect(listing.locator("#deployments tbody tr").first).to_contain_text("In progress", timeout=PATIENCE)
    expect(listing.locator("#pod_bar .status")).to_have_text("Deploying", timeout=PATIENCE)
    expect(badge).to_have_text("Live", timeout=PATIENCE)
    expect(listing.locator("#deployments tbody tr").first).to_contain_text("Ready", timeout=PATIENCE)
    made = run(platform, _REPOSITORY % (pod.name, f"{pod.name}-new"))
    expect(home.locator("#pods .card", has_text=made)).to_be_visible(timeout=PATIENCE)
    for page in (home, listing):
        assert page.evaluate("window.stayed") is True


def test_what_has_the_focus_is_refreshed_too(
    window: Window, pod: MadePod, repository: Repository, platform: Platform
) -> None:
    page, deployment = window.page, window.page.locator("#deployment")
    repository.commit("Build while somebody stands at the deployment", lines=30, pause=0.1)
    made = run(platform, _DEPLOY % pod.name)
    page.goto(f"{pod.address}deployments/{made}/")
    deployment.focus()
    expect(deployment.locator(".status").first).to_have_text("In progress", timeout=PATIENCE)
    expect(deployment.locator(".status").first).to_have_text("Ready", timeout=PATIENCE)
    expect(deployment).to_be_focused()


def test_stages_head_the_sections_of_a_log(
    window: Window, pod: MadePod, repository: Repository, platform: Platform
) -> None:
    page = window.page
    repository.commit("Build and tell", lines=50, pause=0.1)
    made = run(platform, _DEPLOY % pod.name)
    page.goto(f"{pod.address}deployments/{made}/")
    build = page.locator(".log-section", has=page.locator("summary", has_text="Build · web"))
    expect(build).to_have_attribute("data-state", "running", timeout=PATIENCE)
    expect(build.locator(".log-state")).to_have_text(re.compile(r"^running \d+ s$"))
    expect(page.locator(".log-section").last).to_contain_text("Deployment", timeout=PATIENCE)
    expect(build).to_have_attribute("data-state", "passed")
    took = re.compile(r"^✓Build · webpassed in \d")
    expect(build.locator("summary")).to_have_text(took)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save shown").click()
    saved = Path(download.value.path()).read_text()
    assert re.search(r"── Clone · web passed in \d.*\n(.*\n)*── Build · web passed in \d", saved), saved
    assert re.search(r"── Deployment ready in \d.* s\n$", saved), saved
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all").click()
    assert re.search(r"Z ── Build · web passed in \d", Path(download.value.path()).read_text())
    page.reload()
    expect(build.locator("summary")).to_have_text(took)
    expect(page.locator('.log-row[data-level="event"]')).to_have_count(0)


def test_the_plan_comes_by_itself_and_changes_with_the_settings(
    window: Window, pod: MadePod, repository: Repository, platform: Platform, pictures: Path
) -> None:
    page = window.page
    name = run(platform, _REPOSITORY % (pod.name, f"{pod.name}-plan"))
    page.goto(f"/pods/{name}/resources/new/App/")
    page.get_by_label("Name", exact=True).first.fill("web")
    page.get_by_label("Repository").fill(repository.url)
    page.get_by_role("button", name="Add to the draft").click()
    page.locator("#draft_bar").get_by_role("link", name="Review").click()
    page.evaluate("window.stayed = true")
    card = page.locator("#build_plan_web")
    expect(card).to_contain_text("python -u app.py", timeout=PATIENCE)
    expect(card).to_contain_text("from Procfile")
    assert page.evaluate("window.stayed") is True
    wrong = look_at(page, "draft-plan", pictures)
    card.get_by_role("link", name="Change the setting for Start").click()
    page.get_by_label("Start command", exact=True).fill("python -u other.py")
    page.get_by_role("button", name="Save to the draft").click()
    page.goto(f"/pods/{name}/resources/web/?tab=configuration")
    card = page.locator("#build_plan_web")
    expect(card).to_contain_text("python -u other.py", timeout=PATIENCE)
    expect(card).to_contain_text("your settings")
    wrong += look_at(page, "app-plan", pictures)
    page.get_by_label("Root directory").fill("no/such")
    page.get_by_role("button", name="Save to the draft").click()
    page.locator("#draft_bar").get_by_role("link", name="Review").click()
    expect(card).to_contain_text("There is no directory no/such", timeout=PATIENCE)
    wrong += look_at(page, "draft-plan-failed", pictures)
    card.get_by_role("button", name="Look again").click()
    expect(card).to_contain_text("There is no directory no/such", timeout=PATIENCE)
    assert not wrong, "\n".join(wrong)


def test_watch_paths_are_tried_and_taken(window: Window, pod: MadePod, repository: Repository, pictures: Path) -> None:
    window.expect("422")
    page = window.page
    repository.commit("Change one file", lines=7)
    page.goto(f"{pod.address}resources/web/?tab=configuration")
    page.get_by_text("More", exact=True).first.click()
    page.get_by_role("link", name="Test watch paths").click()
    page.get_by_label("Patterns").fill("*.py\n!build.py")
    page.get_by_role("button", name="Test").click()
    verdict = page.locator("#watch_verdict")
    expect(verdict).to_contain_text("web would not build")
    row = verdict.get_by_role("row", name=re.compile("build.py"))
    expect(row).to_contain_text("!build.py line 2")
    wrong = look_at(page, "watch-paths", pictures)
    page.get_by_label("Patterns").fill("*.py\n!")
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("Line 2 is no pattern")).to_be_visible()
    page.get_by_label("Patterns").fill("*.py")
    page.get_by_role("button", name="Test").click()
    expect(verdict).to_contain_text("web would build")
    wrong += look_at(page, "watch-paths-build", pictures)
    page.get_by_role("button", name="Use these patterns").click()
    expect(page.locator("#draft")).to_contain_text("source.watchPaths")
    assert not wrong, "\n".join(wrong)
