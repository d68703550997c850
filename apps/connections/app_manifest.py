"""A GitHub App that GitHub makes from our description of it, and its installation: each step once, in one browser.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

from __future__ import annotations

import datetime
import json
import re
import secrets as random
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts import gate
from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.audit import trail
from apps.connections import actions, checks, secrets
from apps.connections.models import AppHandshake, Connection, Kind, Provider
from apps.connections.oauth.actions import Browser
from apps.core.errors import Conflict, Detail, Invalid, UserError
from apps.core.ids import new_id
from apps.sources import github_app, outbound
from apps.sources.urls import check_url

if TYPE_CHECKING:
    from apps.accounts.models import User

log = structlog.get_logger(__name__)
TERM = datetime.timedelta(hours=1)  # as long as GitHub's code is good
PERMISSIONS = {"contents": "read", "metadata": "read", "statuses": "write", "pull_requests": "write"}
EVENTS = ("push", "pull_request", "delete")
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True, slots=True)
class Page:
    """What somebody's browser posts to GitHub: `manifest` (JSON) to `action`. `hears`: pushes will be told of."""

    action: str
    manifest: str
    host: str
    hears: bool


def is_reachable() -> bool:
    """Whether a git host on the internet could reach this platform."""
    return settings.BRAINPOD.dashboard_host.rpartition(".")[2] != "localhost"


def begin(*, team: Team, host: str, organisation: str, browser: Browser) -> Page:
    """`organisation`: that the app is to belong to; empty: whoever sits at the browser. Raises Invalid."""
    gate.access(browser.user, team, Role.ADMIN)
    host = checks.check_host(host, "https")
    if checks.KNOWN.get(host, Provider.GITHUB) != Provider.GITHUB:
        raise Invalid([Detail("host", "must be github.com or a GitHub Enterprise Server.")])
    owner = organisation.strip()
    if owner and not _OWNER.fullmatch(owner):
        raise Invalid([Detail("organisation", "must be the name of an organisation, such as acme.")])
    shake, state = _handshake(team, host, browser)
    place = f"/organizations/{owner}/settings/apps/new" if owner else "/settings/apps/new"
    manifest = _manifest(team, shake.made)
    return Page(f"https://{host}{place}?state={state}", json.dumps(manifest), host, "hook_attributes" in manifest)


def _manifest(team: Team, connection_id: str) -> dict[str, Any]:
    address = settings.BRAINPOD.public_address
    callback = address + reverse("git-access-app-callback")
    made: dict[str, Any] = {
        "name": f"Brainpod {team.name}"[:34],
        "url": address,
        "redirect_url": callback,
        "callback_urls": [callback],
        "setup_url": address + reverse("git-access-app-setup"),
        "public": False,
        "default_permissions": PERMISSIONS,
    }
    if is_reachable():  # GitHub takes no other address
        hook = address + reverse("app-hook", kwargs={"connection": connection_id})
        made |= {"hook_attributes": {"url": hook, "active": True}, "default_events": list(EVENTS)}
    return made


def finish(*, browser: Browser, answer: Mapping[str, str]) -> Connection:
    """What comes of GitHub's `answer`: the connection, not yet installed.

    Raises UserError("sign_in_ended") for an answer nobody waits for; else "sign_in_refused", "source_unreachable".
    """
    shake = _taken(browser, answer.get("state", ""), installing=False)
    gate.access(browser.user, shake.team, Role.ADMIN)
    code = answer.get("code", "")
    if not _CODE.fullmatch(code):
        raise UserError("sign_in_refused", f"{shake.host} made no GitHub App.", "Press Create a GitHub App again.")
    said = _converted(shake.host, code)
    fields = {"pk": shake.made, "app_id": str(said["id"]), "app_page": _page(shake.host, said)}
    more = {key: said[key] for key in ("client_id", "client_secret", "webhook_secret") if _is_text(said.get(key))}
    made = actions.keep_connection(
        shake.team, browser.user, Kind.GITHUB_APP, Provider.GITHUB, shake.host, "", "", said["pem"].strip() + "\n",
        fields, more,
    )  # fmt: skip
    log.info("github_app_made", connection=made.pk, team=shake.team_id, host=shake.host)
    return made


def _converted(host: str, code: str) -> dict[str, Any]:
    allowed = settings.BRAINPOD.networks
    at = check_url(f"{github_app.api_of(host)}/app-manifests/{code}/conversions", field="host", allowed=allowed)
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "brainpod"}
    status, said = outbound.post(at, {}, headers, allowed=allowed)
    if status in (404, 422):
        hint = "The code was used already or is older than an hour. Press Create a GitHub App again."
        raise UserError("sign_in_refused", f"{host} knows nothing of this GitHub App.", hint)
    good = status == 201 and isinstance(said, dict) and isinstance(said.get("id"), int) and _is_text(said.get("pem"))
    if not good:
        hint = "See whether the app is there, delete it, and try again in a minute."
        raise UserError("source_unreachable", f"{host} gives out no GitHub App now (status {status}).", hint)
    github_app.read_key(said["pem"])
    return dict(said)


def _page(host: str, said: Mapping[str, Any]) -> str:
    """The app's own page; GitHub Enterprise has it elsewhere, so GitHub's word is taken if it is that host's."""
    page, slug = said.get("html_url"), said.get("slug")
    if isinstance(page, str) and page.startswith(f"https://{host}/") and len(page) <= 300 and page.isprintable():
        return page
    slug = urllib.parse.quote(slug if isinstance(slug, str) else "", safe="")
    return f"https://{host}/{'apps' if host == 'github.com' else 'github-apps'}/{slug}"


def install(*, connection: Connection, browser: Browser) -> str:
    """The page of GitHub's where the app is given repositories."""
    gate.access(browser.user, connection.team, Role.ADMIN)
    if not connection.app_page or connection.installation_id:
        raise Conflict("connection_changed", "This GitHub App is installed already.", "Reload the page.")
    _, state = _handshake(connection.team, connection.host, browser, connection)
    return f"{connection.app_page}/installations/new?state={state}"


def installed(*, browser: Browser, answer: Mapping[str, str]) -> Connection:
    """GitHub sends back who installed it: the connection, for the owner that it was installed on.

    That the installation is this app's is asked of GitHub, as the app. Raises as `finish`, and Invalid.
    """
    shake = _taken(browser, answer.get("state", ""), installing=True)
    connection = shake.connection
    assert connection is not None
    gate.access(browser.user, shake.team, Role.ADMIN)
    if answer.get("setup_action") == "request":
        hint = "When an owner of the organisation has agreed, press Install it again."
        raise UserError("sign_in_refused", "The installation waits for an owner of the organisation.", hint)
    number = checks.check_installation(answer.get("installation_id", ""))
    app = github_app.App(connection.host, connection.app_id, number, secrets.read(connection))
    owner = github_app.owner_of(app, allowed=settings.BRAINPOD.networks)
    _note_installed(connection, number, owner, browser.user)
    connection.refresh_from_db()
    return connection


@transaction.atomic
def _note_installed(connection: Connection, number: str, owner: str, by: User) -> None:
    rows = Connection.objects.filter(pk=connection.pk, installation_id="")
    if not rows.update(installation_id=number, scope=checks.check_scope(owner), last_error=""):
        raise Conflict("connection_changed", "This GitHub App is installed already.", "Reload the page.")
    trail.note("connection.install", by=by, about=connection, host=connection.host, owner=owner)


def _handshake(
    team: Team, host: str, browser: Browser, connection: Connection | None = None
) -> tuple[AppHandshake, str]:
    state = random.token_urlsafe(32)
    AppHandshake.objects.filter(created_at__lt=timezone.now() - TERM).delete()
    shake = AppHandshake.objects.create(
        id=_digest("state", state), session=_digest("session", browser.session), user=browser.user, team=team,
        host=host, made=connection.pk if connection else new_id(), connection=connection,
    )  # fmt: skip
    return shake, state


def _taken(browser: Browser, state: str, *, installing: bool) -> AppHandshake:
    """Whoever deletes the row has it: no answer is taken twice, and none for the other step."""
    known = {"id": _digest("state", state), "session": _digest("session", browser.session), "user": browser.user}
    rows = AppHandshake.objects.filter(**known, created_at__gte=timezone.now() - TERM)
    rows = rows.filter(connection__isnull=not installing)
    found = rows.select_related("team", "connection__team").first()
    if found is None or not rows.delete()[0]:
        what = "Nobody waits for this GitHub App: it came back before, took too long, or began in another browser."
        raise UserError("sign_in_ended", what, "Begin again on the team's page Git access.")
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 20_000


def _digest(what: str, text: str) -> str:
    return salted_hmac(f"brainpod.github_app.{what}", text, algorithm="sha256").hexdigest()
