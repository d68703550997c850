"""What every page has around it: policy, ids, errors, toasts, fragments, the gallery, health."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path, reverse

from apps.accounts.models import User
from apps.core.errors import Conflict, PlatformError, Unavailable
from apps.dashboard import errors
from apps.dashboard.environment import ago, duration, icon, in_words
from apps.dashboard.states import STATES, look

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def raises(error: Exception) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        raise error

    return view


PROBLEMS = {
    "conflict": Conflict("stale", "The plan is <b>old</b>.", "Make another."),
    "platform": PlatformError("disk_full", "The disk is full."),
    "away": Unavailable("engine_away", "The engine does not answer."),
    "bug": ZeroDivisionError("secret detail"),
}
urlpatterns = [
    *[path(f"raise/{name}/", raises(error)) for name, error in PROBLEMS.items()],
    path("", include("brainpod.urls")),
]
handler400, handler403 = errors.bad_request, errors.forbidden
handler404, handler500 = errors.not_found, errors.server_error


@pytest.fixture
def problems() -> Iterator[None]:
    from django.test import override_settings

    with override_settings(ROOT_URLCONF=__name__):
        yield


def test_the_policy_has_a_nonce_of_its_own_and_nothing_unsafe(alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    policies = {client.get("/")["Content-Security-Policy"] for _ in range(2)}
    assert len(policies) == 2
    for policy in policies:
        assert "unsafe" not in policy
        assert "*" not in policy
        assert re.search(r"script-src 'self' 'nonce-[\w-]{20,}';", policy)


@pytest.mark.parametrize("name", ["home", "teams", "account", "search", "sign-in"])
def test_pages_keep_the_policy(name: str, alice: User, client_of: Callable[..., Client]) -> None:
    text = (Client() if name == "sign-in" else client_of(alice)).get(reverse(name)).content.decode()
    assert not re.search(r'\sstyle="', text)
    assert not re.search(r"\son[a-z]+=|hx-on", text)
    assert not re.search(r"<script(?![^>]*(src|nonce)=)", text)
    assert not re.search(r'(src|href)="https?:', text)
    assert re.search(r"<html lang=\"en\" data-theme=\"system\">", text)
    assert len(re.findall(r"<h1", text)) == 1


def test_every_answer_has_an_id() -> None:
    answer = Client().get(reverse("healthz"))
    assert re.fullmatch(r"[0-9a-z]{16}", answer["X-Request-ID"])
    given = Client().get(reverse("healthz"), headers={"X-Request-ID": "abcdef-123456"})
    assert given["X-Request-ID"] == "abcdef-123456"
    forged = Client().get(reverse("healthz"), headers={"X-Request-ID": "x y<script>"})
    assert re.fullmatch(r"[0-9a-z]{16}", forged["X-Request-ID"])


@pytest.mark.usefixtures("problems")
@pytest.mark.parametrize(("name", "status"), [("conflict", 409), ("platform", 500), ("away", 503), ("bug", 500)])
def test_errors_become_pages_and_toasts(name: str, status: int) -> None:
    client = Client(raise_request_exception=False)
    page = client.get(f"/raise/{name}/")
    assert page.status_code == status
    text = page.content.decode()
    assert "<h1" not in text or "Brainpod" in text
    assert "secret detail" not in text
    error = PROBLEMS[name]
    if isinstance(error, PlatformError):
        assert error.id in text
    if name == "conflict":
        assert "The plan is &lt;b&gt;old&lt;/b&gt;." in text
        assert "Make another." in text
    if name == "bug":
        assert page["X-Request-ID"] in text
    toast = client.get(f"/raise/{name}/", headers=HTMX)
    assert (toast.status_code, toast["HX-Reswap"]) == (status, "none")
    assert 'hx-swap-oob="beforeend:#toasts"' in toast.content.decode()
    assert "<html" not in toast.content.decode()
    assert "<b>old" not in toast.content.decode()


def test_a_page_that_is_not_there() -> None:
    answer = Client().get("/nowhere/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()


def test_a_foreign_host_name_is_refused() -> None:
    assert Client(raise_request_exception=False).get("/", headers={"Host": "evil.example"}).status_code == 400


def test_a_form_without_its_token_is_told_so(alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice, enforce_csrf_checks=True)
    page = client.post(reverse("teams"), {"name": "x"})
    assert page.status_code == 403
    assert "Reload the page" in page.content.decode()
    toast = client.post(reverse("teams"), {"name": "x"}, headers=HTMX)
    assert "Reload the page" in toast.content.decode()
    client.get(reverse("teams"))
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert client.post(reverse("teams"), {"name": "x"}, headers=token).status_code == 302


def test_redirects_reach_the_browser_and_toasts_survive_them(alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    answer = client.post(reverse("account-name"), {"name": "Ally"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, reverse("account"))
    text = client.get(reverse("account")).content.decode()
    assert "Your name was changed." in text
    assert "Your name was changed." not in client.get(reverse("account")).content.decode()


def test_who_was_signed_out_comes_back_to_the_page_around_the_fragment() -> None:
    headers = HTMX | {"HX-Current-URL": "http://localhost:8080/teams/?a=b"}
    answer = Client().get(reverse("search"), headers=headers)
    assert answer["HX-Redirect"] == "/sign-in/?next=%2Fteams%2F%3Fa%3Db"


def test_fragments_for_htmx_and_pages_for_browsers(alice: User, client_of: Callable[..., Client]) -> None:
    client = client_of(alice)
    fragment = client.get("/", headers=HTMX)
    assert "<html" not in fragment.content.decode()
    assert "HX-Request" in fragment["Vary"]
    for headers in ({}, HTMX | {"HX-Boosted": "true"}, HTMX | {"HX-History-Restore-Request": "true"}):
        assert "<html" in client.get("/", headers=headers).content.decode()


def test_pages_of_the_signed_in_are_not_kept_by_caches(alice: User, client_of: Callable[..., Client]) -> None:
    assert "no-store" in client_of(alice).get("/")["Cache-Control"]


def test_the_gallery_is_for_developers_only(settings: SimpleNamespace, client: Client) -> None:
    assert client.get(reverse("gallery")).status_code == 404
    settings.DEBUG = True
    text = client.get(reverse("gallery")).content.decode()
    assert all(f'data-state="{state}"' in text for state in STATES)
    assert 'id="id_email-errors"' in text


def test_health(client: Client) -> None:
    assert client.get(reverse("healthz")).content == b"ok\n"


def test_readiness_names_what_is_missing(client: Client, settings: SimpleNamespace) -> None:
    settings.VALKEY_URL = "unix:///nonexistent/valkey.sock?db=0"
    answer = client.get(reverse("readyz"))
    assert answer.status_code == 503
    assert answer.json()["database"] == "ok"
    assert answer.json()["valkey"] == "unreachable"
    assert answer.json()["migrations"] == "ok"
    assert set(answer.json()) == {"database", "migrations", "valkey", "secrets", "engine", "edge"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "just now"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (7200, "2 hours ago"),
        (86400, "1 day ago"),
        (-600, "in 10 minutes"),
        (40 * 86400, "22 Nov 2025"),
    ],
)
def test_times_in_words(seconds: int, words: str) -> None:
    assert in_words(NOW - datetime.timedelta(seconds=seconds), NOW) == words


def test_times_have_the_exact_one_on_hover() -> None:
    assert 'title="2026-01-01 00:00:00 UTC"' in ago(NOW)
    assert "never" in ago(None)


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "–"), (0.42, "0.4 s"), (12.7, "12 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_icons_exist_and_are_escaped() -> None:
    sprite = (settings.ROOT / "static" / "icons.svg").read_text()
    known = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    used = set()
    for template in (settings.ROOT / "templates").rglob("*.html"):
        used |= set(re.findall(r'\bicon\("([a-z0-9-]+)"', template.read_text()))
    assert used
    assert used <= known
    assert "<script" not in icon('"><script>')


def test_an_unknown_state_is_shown_as_it_is() -> None:
    assert look("half_done").word == "Half done"
