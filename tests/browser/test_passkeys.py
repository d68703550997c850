"""Passkeys in Chromium, with its virtual authenticator: added, used alone and after the password, renamed, removed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import EMAIL, PASSWORD, Windows
from tests.stack.platform import Platform

pytestmark = [pytest.mark.platform, pytest.mark.browser]
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


def sign_out(page: Page) -> None:
    page.goto("about:blank")  # a page whose socket is refused loads itself again, amid what is gone to here
    page.context.clear_cookies()
    page.goto("/sign-in/")


def test_passkeys(windows: Windows, platform: Platform, pictures: Path) -> None:
    window = windows(viewport={"width": 375, "height": 800})
    page = window.page
    devtools = window.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    key = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]

    page.goto("/account/second-factor/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill("Phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("pre")).to_have_text(re.compile(r"(\d{5}-\d{5}\s*){10}"))
    page.screenshot(path=str(pictures / "recovery-codes-375.png"), full_page=True)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert len(Path(download.value.path()).read_text().split()) == 10
    page.get_by_role("link", name="I have kept them").click()
    page.screenshot(path=str(pictures / "second-factor-375.png"), full_page=True)
    assert len(devtools.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]) == 1

    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("heading", name="Pods", exact=True).wait_for()

    sign_out(page)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.screenshot(path=str(pictures / "second-step-375.png"))
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Pods", exact=True).wait_for()

    page.goto("/account/second-factor/")
    page.get_by_role("link", name="Rename Phone").click()
    page.get_by_label("Name").fill("Blue key")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("button", name="Remove Blue key").click()
    page.get_by_role("button", name="Use a passkey instead").click()
    page.get_by_role("button", name="Remove Blue key").click()
    expect(page.get_by_text("No passkeys yet")).to_be_visible()

    page.goto("/account/second-factor/app/")
    page.screenshot(path=str(pictures / "app-375.png"), full_page=True)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/account/")
    page.screenshot(path=str(pictures / "account-1280.png"), full_page=True)

    sign_out(page)
    window.expect("422")  # the passkey that is gone
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")
