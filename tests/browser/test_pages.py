"""Every page, in two widths and two themes: pictures to look at, and what a machine can see for itself."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pods import MadePod, make_pod, run
from tests.browser.repositories import Repository
from tests.browser.watching import Window
from tests.stack.platform import Platform

pytestmark = [pytest.mark.platform, pytest.mark.browser]
BASICS = (Path(__file__).parent / "basics.js").read_text()
WANTED = "BRAINPOD_SCREENSHOTS" in os.environ  # somebody is going to look: whole pages, in every look
LOOKS = [(width, theme) for width in (1280, 375) for theme in ("light", "dark")]
_MORE = """
import time
from apps.accounts.models import Membership, Team, User
from apps.accounts.links import signin_link
from apps.deployments import actions as deployments, lookups
from apps.pods import actions
from apps.pods.models import Pod
pod = Pod.objects.get(name=%(pod)r)
lookup = lookups.deploy_latest(pod=pod, app="web", by=None)
deadline = time.monotonic() + 120
while lookup.is_open and time.monotonic() < deadline:
    time.sleep(0.2)
    lookup.refresh_from_db()
failed = lookup.deployment
while failed.is_open and time.monotonic() < deadline:
    time.sleep(0.2)
    failed.refresh_from_db()
web = pod.live.snapshot()["web"].spec | {"mounts": [], "env": [{"name": "GREETING", "value": "good morning"}]}
web = {key: value for key, value in web.items()}
actions.save_resource(pod=pod, kind="App", name="web", spec=web, by=None, create=False)
actions.delete_resource(pod=pod, name="data", by=None)
actions.save_resource(pod=pod, kind="App", name="jobs", by=None, create=True,
    spec={"type": "worker", "source": web["source"], "startCommand": "python -u app.py"})
actions.create_pod(team=pod.team, name=%(pod)r + "-empty", by=None)
vera, _ = User.objects.get_or_create(email="vera@example.com", defaults={"name": "Vera"})
Membership.objects.get_or_create(user=vera, team=pod.team, defaults={"role": "viewer"})
print(failed.pk, failed.state, signin_link(vera))
"""


@pytest.fixture(scope="module")
def pod(platform: Platform, repository: Repository) -> MadePod:
    """One of each kind, live; a deployment that failed; a draft that takes its disk away."""
    config = {"variables": [{"name": "REGION", "value": "eu-1"}]}
    return make_pod(
        platform,
        repository.url,
        ("Disk", "data", {"size": 5}, None),
        ("Config", "settings", config, {"API_KEY": "very-secret-value"}),
        configs=["settings"],
        mounts=[{"path": "/data", "disk": "data"}],
    )


@pytest.fixture(scope="module")
def story(platform: Platform, pod: MadePod, repository: Repository) -> tuple[str, str]:
    """The failed deployment's address, and a one-time link of somebody who may only look."""
    repository.commit("Break the build", ends=3)
    pk, state, link = run(platform, _MORE % {"pod": pod.name}).split()
    assert state == "failed", platform.tails()
    return f"{pod.address}deployments/{pk}/", link


def addresses(pod: MadePod, failed: str) -> dict[str, str]:
    own = pod.address
    return {
        "home": "/",
        "home-no-match": "/?q=nothing-is-called-so",
        "pod-new": "/pods/new/",
        "pod": own,
        "pod-empty": f"/pods/{pod.name}-empty/",
        "deployments-empty": f"/pods/{pod.name}-empty/deployments/",
        "revisions-empty": f"/pods/{pod.name}-empty/revisions/",
        "draft-empty": f"/pods/{pod.name}-empty/draft/",
        "deployments": f"{own}deployments/",
        "deployment": f"{own}deployments/{pod.deployment}/",
        "deployment-failed": failed,
        "revisions": f"{own}revisions/",
        "revisions-compared": f"{own}revisions/?a=1&b=2",
        "revision": f"{own}revisions/1/",
        "manifest": f"{own}manifest/",
        "imports": f"{own}imports/",
        "draft": f"{own}draft/",
        "settings": f"{own}settings/",
        "kinds": f"{own}resources/new/",
        "app-new": f"{own}resources/new/App/",
        "app": f"{own}resources/web/",
        "app-metrics": f"{own}resources/web/?tab=metrics",
        "app-configuration": f"{own}resources/web/?tab=configuration",
        "app-watch-paths": f"{own}resources/web/watch-paths/",
        "app-deployments": f"{own}resources/web/?tab=deployments",
        "route-configuration": f"{own}resources/site/?tab=configuration",
        "config": f"{own}resources/settings/",
        "config-configuration": f"{own}resources/settings/?tab=configuration",
        "disk": f"{own}resources/data/",
        "teams": "/teams/",
        "team": "/teams/home/",
        "usage": "/teams/home/usage/",
        "account": "/account/",
        "search": f"/search/?q={pod.name}",
        "not-found": "/pods/not-here/",
    }


def look_at(page: Page, name: str, pictures: Path) -> list[str]:
    """Take the pictures of the page as it is; what is wrong with it."""
    wrong = []
    for width, theme in LOOKS:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 800})
        expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
        path = pictures / f"{name}-{width}-{theme}.png"
        if WANTED or (width == 1280) == (theme == "light"):
            page.screenshot(path=path, full_page=WANTED, animations="disabled")
        wrong += [f"{path.name}: {what}" for what in page.evaluate(BASICS)]
    return wrong


def test_every_page_is_sound(window: Window, pod: MadePod, story: tuple[str, str], pictures: Path) -> None:
    window.expect("404")
    wrong = []
    for name, address in addresses(pod, story[0]).items():
        window.page.goto(address)
        if window.page.locator("log-viewer").count():
            expect(window.page.locator(".log-status")).to_have_text("LIVE")
        if window.page.locator("#charts").count():
            expect(window.page.locator("#charts[data-read]")).to_have_count(1)
        wrong += look_at(window.page, name, pictures)
        assert "very-secret-value" not in window.page.content()
    assert not wrong, "\n".join(wrong)


def test_wrong_input_is_answered_beside_its_field(
    window: Window, pod: MadePod, story: tuple[str, str], pictures: Path
) -> None:
    window.expect("422")
    page = window.page
    page.goto("/pods/new/")
    page.get_by_label("Name").fill("Not A Name")
    page.get_by_role("button", name="Make the pod").click()
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#id_name-errors")).to_be_visible()
    wrong = look_at(page, "wrong-pod", pictures)
    page.goto(f"{pod.address}resources/new/App/")
    page.get_by_label("Name", exact=True).first.fill("api")
    page.get_by_label("Repository").fill("file:///etc/passwd")
    page.locator('[name="env.0.name"]').fill("1 BAD")
    page.locator('[name="env.0.value"]').fill("x")
    page.get_by_role("button", name="Add to the draft").click()
    expect(page.get_by_label("Repository")).to_have_attribute("aria-invalid", "true")
    expect(page.locator('[name="env.0.name"]')).to_have_attribute("aria-invalid", "true")
    wrong += look_at(page, "wrong-app", pictures)
    page.evaluate("document.querySelector('form[data-guard]').reset()")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{pod.address}draft/")
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text("tick the box to agree")).to_be_visible()
    wrong += look_at(page, "wrong-draft", pictures)
    assert not wrong, "\n".join(wrong)


def test_who_may_not_is_told_so(
    browser: Browser, platform: Platform, pod: MadePod, story: tuple[str, str], pictures: Path
) -> None:
    with Window(browser, platform.url()) as outside:
        outside.expect("4(03|22)")
        page = outside.page
        page.goto("/sign-in/")
        wrong = look_at(page, "sign-in", pictures)
        page.get_by_label("E-mail").fill("nobody")
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
        wrong += look_at(page, "wrong-sign-in", pictures)
        page.goto(story[1])
        wrong += look_at(page, "sign-in-link", pictures)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="Pods").wait_for()
        page.goto(f"{pod.address}resources/new/App/")
        expect(page.get_by_text("403")).to_be_visible()
        wrong += look_at(page, "forbidden", pictures)
        page.goto(f"{pod.address}draft/")
        expect(page.get_by_text("Developers of the team can deploy it.")).to_be_visible()
        wrong += look_at(page, "viewer-draft", pictures)
    assert not wrong, "\n".join(wrong)


def test_a_failed_deployment_says_what_failed(window: Window, pod: MadePod, story: tuple[str, str]) -> None:
    page = window.page
    page.goto(story[0])
    failure = page.locator("#deployment")
    expect(failure).to_contain_text("web, stage build")
    expect(failure).to_contain_text("v1 still serves")
    expect(failure.locator(".stage-failed")).to_contain_text("Build")
    expect(failure.locator(".last-lines")).to_contain_text("build line 5")
    expect(failure.get_by_role("button", name="Redeploy").or_(failure.get_by_text("Deploy again"))).to_be_visible()


def test_metrics_come_by_themselves_and_are_read_with_the_keyboard(window: Window, pod: MadePod) -> None:
    page = window.page
    for _ in range(3):
        pod.ask("/")
    page.goto(f"{pod.address}resources/web/?tab=metrics")
    expect(page.locator(".chart canvas").first).to_be_visible(timeout=120_000)
    expect(page.locator(".figure", has_text="Requests").locator("dd")).not_to_have_text("0", timeout=120_000)
    plot = page.locator(".chart-plot").first
    plot.focus()
    page.keyboard.press("ArrowLeft")
    expect(plot.locator(".u-legend .u-value").first).not_to_have_text("–")
    page.keyboard.press("Escape")
    expect(plot.locator(".u-legend .u-value").first).to_have_text("–")
    mark = plot.locator("a.chart-mark[aria-label^='v1 went live']")  # others may have deployed the pod since
    expect(mark).to_have_count(1)
    mark.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{pod.address}deployments/{pod.deployment}/"))
    page.goto(f"{pod.address}resources/web/?tab=metrics")
    page.get_by_role("navigation", name="How far back").get_by_role("link", name="7 d").click()
    expect(page.locator("#charts")).to_have_attribute("data-source", re.compile("range=7d"))
    expect(page.locator(".chart canvas").first).to_be_visible()


def test_the_keyboard_is_enough(window: Window, pod: MadePod, story: tuple[str, str]) -> None:
    page = window.page
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type(pod.name)
    hit = page.locator("#palette-hits a", has_text=pod.name).first
    expect(hit).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/pods/{pod.name}/**")
    for _ in range(40):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " const outlined = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0;"
            " return [e.tagName, outlined || s.boxShadow !== 'none', e.outerHTML.slice(0, 200)] }"
        )
        assert focus[0] == "BODY" or focus[1], f"the focus cannot be seen on {focus[2]}"


def test_the_theme_is_chosen_and_kept(window: Window) -> None:
    page = window.page
    page.goto("/account/")
    for theme, word in (("dark", "Dark"), ("light", "Light"), ("system", "System")):
        with page.expect_response("**/account/theme/"):
            page.get_by_role("group", name="Theme").get_by_role("button", name=word).click()
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        with page.expect_response("**/account/"):
            page.reload()
        expect(page.locator("html")).to_have_attribute("data-theme", theme)


def test_times_are_relative_with_the_exact_one_on_hover(window: Window, pod: MadePod, story: tuple[str, str]) -> None:
    window.page.goto(f"{pod.address}deployments/")
    shown = window.page.locator("#deployments time").first
    expect(shown).to_have_text(re.compile(r"ago|just now"))
    expect(shown).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))


def test_scripts_and_styles_are_kept_for_ever_under_names_of_their_content(window: Window, pod: MadePod) -> None:
    """Modules that modules import too: an old one is never met by a new page."""
    asked: list[tuple[str, str]] = []
    window.page.on("response", lambda answer: asked.append((answer.url, answer.headers.get("cache-control", ""))))
    window.page.goto(f"{pod.address}resources/web/")
    expect(window.page.locator(".log-status")).to_have_text("LIVE")
    files = [(url, kept) for url, kept in asked if "/static/" in url]
    assert len([url for url, _ in files if "/static/logs/" in url]) >= 6
    for url, kept in files:
        assert re.search(r"\.[0-9a-f]{12}\.\w+(#.*)?$", url), url
        assert "immutable" in kept, (url, kept)
