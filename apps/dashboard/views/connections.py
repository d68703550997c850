"""Git access of a team: its connections listed, added, checked, given other secrets, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.connections import actions
from apps.connections.models import Connection, Kind, OAuthApplication
from apps.core.errors import NotFound
from apps.dashboard.access import Request, team_page
from apps.dashboard.connection_pages import PASTE, removal, served
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.connections import FORMS, SECRET_FORMS, CheckForm, ConnectionNameForm
from apps.dashboard.render import render
from apps.hooks.models import AppReceipt
from apps.reporting.models import Report

REPORTS = RECEIPTS = 5  # the newest that are shown
REFUSED = {"name_taken": "name", "source_unreachable": None}
_MAKE: dict[str, Callable[..., Connection]] = {
    Kind.GITHUB_APP: actions.connect_github_app,
    Kind.TOKEN: actions.connect_token,
    Kind.DEPLOY_KEY: actions.generate_deploy_key,
}


@team_page()
@require_safe
def git_access(request: Request, team: Team) -> HttpResponse:
    connections = list(team.connections.select_related("created_by", "grant"))
    uses = served(team, connections)
    context = {
        "team": team,
        "rows": [(connection, uses.get(connection.pk, [])) for connection in connections],
        "may_see": request.access.may(Role.DEVELOPER),
        "may_change": request.access.may(Role.ADMIN),
        "applications": OAuthApplication.objects.all(),
    }
    return render(request, "connections/list.html", context)


@team_page(needs=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def git_access_new(request: Request, team: Team, kind: str) -> HttpResponse:
    if kind not in FORMS:
        raise NotFound("such kind of access")
    made, shape = FORMS[kind]
    form = shape(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_into(form, codes=REFUSED):
            connection = _MAKE[made](team=team, by=request.user, **form.cleaned_data)
            messages.success(request, f"{connection.name} was added.")
            return redirect("git-access-connection", team=team.slug, connection=connection.pk)
    context = {"team": team, "form": form, "kind": kind, "title": made.words}
    return render(request, "connections/new.html", context, status=422 if form.errors else 200)


def _page(request: Request, connection: Connection, *, status: int = 200, **given: Any) -> HttpResponse:
    uses = served(connection.team, connection.team.connections.all()).get(connection.pk, [])
    secret_form = SECRET_FORMS.get(connection.kind)
    context = {
        "team": connection.team,
        "connection": connection,
        "served": uses,
        "receipts": AppReceipt.objects.filter(connection=connection)[:RECEIPTS],
        "reports": Report.objects.filter(connection=connection.pk).select_related("pod")[:REPORTS],
        "removal": removal(connection, uses),
        "paste": PASTE[connection.provider],  # type: ignore[index]
        "name_form": ConnectionNameForm(initial={"name": connection.name}),
        "check_form": CheckForm(initial={"repo": uses[0].repo if uses else ""}),
        "secret_form": secret_form() if secret_form else None,
    }
    return render(request, "connections/detail.html", context | given, status=status)


@team_page(needs=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
def git_access_connection(request: Request, team: Team, connection: str) -> HttpResponse:
    """POST renames, DELETE removes."""
    found = _connection(team, connection)
    if request.method == "DELETE":
        actions.disconnect(connection=found, by=request.user)
        messages.success(request, f"{found.name} was removed, and its secret forgotten.")
        return redirect("git-access", team=team.slug)
    form = ConnectionNameForm(request.POST or None)
    if request.method != "POST":
        return _page(request, found)
    if form.is_valid():
        with errors_into(form, codes=REFUSED):
            actions.rename(connection=found, name=form.cleaned_data["name"], by=request.user)
            return redirect("git-access-connection", team=team.slug, connection=found.pk)
    return _page(request, found, status=422, name_form=form)


@team_page(needs=Role.ADMIN)
@require_POST
def git_access_check(request: Request, team: Team, connection: str) -> HttpResponse:
    found = _connection(team, connection)
    form = CheckForm(request.POST)
    if form.is_valid():
        with errors_into(form, codes=REFUSED):
            actions.check(connection=found, repo=form.cleaned_data["repo"], by=request.user)
            return redirect("git-access-connection", team=team.slug, connection=found.pk)
    return _page(request, found, status=422, check_form=form)


@team_page(needs=Role.ADMIN)
@require_POST
def git_access_secret(request: Request, team: Team, connection: str) -> HttpResponse:
    """Another secret in place of the present one: the one that is sent, or for a deploy key a new pair."""
    found = _connection(team, connection)
    form = SECRET_FORMS.get(found.kind, forms.Form)(request.POST)
    if form.is_valid():
        with errors_into(form, codes=REFUSED):
            actions.rotate(connection=found, by=request.user, **form.cleaned_data)
            words = "The secret was replaced."
            if found.kind == Kind.DEPLOY_KEY:
                words = "There is a new key: paste it into the host in place of the old one."
            messages.success(request, words)
            return redirect("git-access-connection", team=team.slug, connection=found.pk)
    return _page(request, found, status=422, secret_form=form)


def _connection(team: Team, pk: str) -> Connection:
    found = team.connections.filter(pk=pk).select_related("team", "grant").first()
    if found is None:
        raise NotFound("such connection")
    return found
