"""axe-core has nothing against the pages of the access matrix, in light and dark, wide and narrow; the palette's keys.

The pages come from a server in this process: what takes a whole platform is looked at in test_pages.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessible import LAYOUT, LOOKS, violations
from tests.browser.watching import Window
from tests.dashboard.access_matrix import ROWS, Route, World, build_world, routes

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
VARIANTS = {
    "resource": ("?tab=configuration",),
    "home": ("?q=nothing-is-called-so",),
    "deployments": ("?state=failed",),
    "search": ("?q=settings", "?q=zzzz"),
    "team-audit": ("?person=nobody@example.com",),
    "revisions": ("?a=1&b=1",),
}
LEFT_OUT = {
    "pod-bar",  # a piece of pages, answered without the page around it
    "api-documentation",  # Swagger UI's
}


@pytest.fixture
def world(db: None) -> World:
    """Its owner is an operator too."""
    made = build_world()
    owner = made.people["owner"]
    assert owner
    owner.is_staff = owner.is_superuser = True
    owner.save()
    return made


@pytest.fixture
def pages(world: World) -> list[str]:
    """The addresses that answer the owner with a page of HTML."""
    client = Client(raise_request_exception=False)
    client.force_login(world.people["owner"])  # type: ignore[arg-type]
    wanted = [route for route in routes() if not route.is_admin and route.name in ROWS and route.name not in LEFT_OUT]
    return [address for route in wanted for address in _shown(route, world, client)]


def _shown(route: Route, world: World, client: Client) -> Iterator[str]:
    address = route.address(world)
    answer = client.get(address)
    if answer.status_code == 200 and b"<html" in b"".join(answer)[:200]:  # type: ignore[arg-type]
        yield from (address + variant for variant in ("", *VARIANTS.get(route.name, ())))


@pytest.fixture
def opened(browser: Browser, live_server: Any, world: World) -> Iterator[Window]:
    """A window of the owner; the database was asked for everything before, since Playwright's loop runs here."""
    client = Client()
    client.force_login(world.people["owner"])  # type: ignore[arg-type]
    with Window(browser, live_server.url, viewport={"width": 1280, "height": 800}) as window:
        name = settings.SESSION_COOKIE_NAME
        window.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
        window.expect("websocket|WebSocket|/ws/")  # nobody serves sockets here
        window.expect("404|503|metrics.json")
        yield window


@pytest.fixture(scope="module", autouse=True)
def beside_playwright() -> Iterator[None]:
    """The tests' database is emptied at the end of each, when Playwright's loop is still there."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


def test_axe_has_nothing_against_any_page(pages: list[str], opened: Window) -> None:
    page = opened.page
    assert len(pages) > 50
    wrong: dict[str, list[str]] = {}
    for address in pages:
        page.goto(address, wait_until="load")
        for said in in_every_look(page):
            wrong.setdefault(said, []).append(address)
    assert not wrong, "\n".join(f"{said}\n  on {', '.join(where[:4])} ({len(where)})" for said, where in wrong.items())


def in_every_look(page: Page) -> Iterator[str]:
    """Everything in the first look, in the others what depends on colours or width."""
    for width, theme, rules in (
        (1280, "light", ()),
        (1280, "dark", LOOKS),
        (375, "dark", LAYOUT),
        (375, "light", LOOKS),
    ):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
        yield from violations(page, rules)


def test_the_palette_is_a_combobox(opened: Window, world: World) -> None:
    page = opened.page
    page.goto("/teams/")
    start = page.get_by_role("button", name="Search")
    start.focus()
    page.keyboard.press("Control+k")
    box, options = page.get_by_role("combobox", name="Search"), page.get_by_role("option")
    expect(box).to_be_focused()
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("group", name="Actions")).to_be_visible()
    assert list(violations(page)) == []
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", options.nth(1).get_attribute("id") or "")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).not_to_be_visible()
    expect(start).to_be_focused()

    page.keyboard.press("Control+k")
    page.keyboard.type("zzzz")
    expect(page.get_by_text("Nothing found for “zzzz”")).to_be_visible()
    box.fill("theme dark")
    page.keyboard.press("Enter")  # before the answer is there
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#palette")).not_to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type(f"{world.pod.name} settings")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pods/*/**settings/")


def test_slash_filters_and_a_question_mark_lists_the_keys(opened: Window) -> None:
    page = opened.page
    page.goto("/")
    page.locator("main").focus()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Filter")).to_be_focused()
    page.keyboard.type("?")
    expect(page.get_by_role("dialog", name="Keys")).not_to_be_visible()
    page.goto("/teams/")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    expect(keys.get_by_role("button", name="Close")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#keys')")
    page.keyboard.press("Escape")
    expect(keys).not_to_be_visible()
    page.keyboard.press("/")  # nothing to filter here
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()


def test_menus_open_and_close_by_keys_and_give_the_focus_back(opened: Window, world: World) -> None:
    page = opened.page
    page.goto("/account/")
    for name in ("Theme", f"Account of {world.people['owner']}"):
        button = page.get_by_role("banner").get_by_role("button", name=name, exact=True)
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-expanded", "true")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.classList.contains('dropdown-item')")
        page.keyboard.press("Escape")
        expect(button).to_have_attribute("aria-expanded", "false")
        expect(button).to_be_focused()
