"""Blueprints: the gallery, one of them with what it asks, installing it, and a team's own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts import gate
from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.blueprints import actions, catalogue
from apps.blueprints.catalogue import Entry
from apps.blueprints.drawn import drawn
from apps.blueprints.models import TeamBlueprint
from apps.core.errors import NotFound, UserError
from apps.dashboard.access import Request, pod_page, signed_in, team_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.blueprints import BlueprintForm, InstallForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.views.pods import own_teams
from apps.manifests.problems import FileRefused
from apps.pods.models import Pod

_REFUSED = {"name_taken": "name", "host_taken": None, "repository_exists": "name"}


@signed_in
@require_safe
def blueprints(request: Request) -> HttpResponse:
    """All there are, `?q=` those with these words."""
    words = request.GET.get("q", "")[:100]
    every = catalogue.entries(Team.objects.of(request.user))
    context = {"entries": [entry for entry in every if entry.matches(words)], "q": words}
    return render(request, "blueprints/list.html", context)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def blueprint(request: Request, blueprint: str) -> HttpResponse:
    """What it makes and asks; posting installs it into a new pod. `?of=` is the team whose own it is."""
    entry = _found(request, blueprint)
    teams = own_teams(request)
    if entry.own:
        teams = [one for one in teams if one[0] == entry.own.team.slug]
    sent = request.POST if request.method == "POST" else None
    form = InstallForm(sent, blueprint=entry.blueprint, teams=teams, initial={"name": entry.blueprint.name[:40]})
    if request.method == "POST" and form.is_valid():
        with errors_into(form, codes=_REFUSED):
            given = form.given()
            team = Team.objects.of(request.user).get(slug=form.cleaned_data["team"])
            gate.access(request.user, team, Role.DEVELOPER)
            name = form.cleaned_data["name"]
            made = actions.install_new(team=team, name=name, blueprint=entry.blueprint, given=given, by=request.user)
            return _installed(request, made, entry)
    context = {"entry": entry, "form": form, "teams": teams}
    return render(request, "blueprints/detail.html", context, status=422 if form.errors else 200)


def _found(request: Request, name: str) -> Entry:
    team = None
    if slug := request.GET.get("of", ""):
        team = Team.objects.of(request.user).filter(slug=slug).first()
    return catalogue.find(name, team)


def _installed(request: Request, pod: Pod, entry: Entry) -> HttpResponse:
    """To the review, or to the deployment if that was asked for."""
    if request.POST.get("action") != "deploy":
        messages.success(request, f"{entry.blueprint.title} is in the draft of {pod.name}: look at it, and deploy.")
        return redirect("draft", pod=pod.name)
    try:
        row = actions.deploy(pod=pod, blueprint=entry.blueprint, by=request.user)
    except UserError as error:
        messages.error(request, f"It is in the draft, and was not deployed: {error}")
        return redirect("draft", pod=pod.name)
    return redirect("deployment", pod.name, row.pk)


@pod_page(needs=Role.DEVELOPER)
@require_safe
def pod_blueprint(request: Request, pod: Pod) -> HttpResponse:
    """What is live of the pod as a blueprint, in a form that adds it to the team's own."""
    gate.access(request.user, pod.team, Role.DEVELOPER)  # in the pod alone is not enough
    if pod.live is None:
        raise NotFound("live revision of this pod: deploy it first")
    made = drawn(pod, pod.live)
    context = {"form": BlueprintForm(initial={"text": made.text}), "notes": made.notes, "revision": pod.live}
    return render(request, "blueprints/drawn.html", frame(pod, request.access) | context)


@team_page(needs=Role.DEVELOPER)
@require_http_methods(["GET", "HEAD", "POST"])
def team_blueprints(request: Request, team: Team) -> HttpResponse:
    """A team's own; posting adds one."""
    form = BlueprintForm(request.POST, request.FILES) if request.method == "POST" else BlueprintForm()
    problems = []
    if request.method == "POST" and form.is_valid():
        try:
            with errors_into(form, codes={"name_taken": "text"}):
                row = actions.add(team=team, text=form.cleaned_data["text"], by=request.user)
                messages.success(request, f"{row.name} was added: install it from here, or from the gallery.")
                return redirect("team-blueprints", team=team.slug)
        except FileRefused as error:
            problems = error.problems
    context = {"team": team, "form": form, "problems": problems, "rows": list(team.blueprints.all())}
    return render(request, "blueprints/team.html", context, status=422 if form.errors or problems else 200)


@team_page(needs=Role.DEVELOPER)
@require_http_methods(["GET", "HEAD", "DELETE"])
def team_blueprint(request: Request, team: Team, blueprint: str) -> HttpResponse:
    """One as it was given. DELETE removes it."""
    row = team.blueprints.filter(name=blueprint).first()
    if row is None:
        raise NotFound("such blueprint")
    if request.method == "DELETE":
        return _removed(request, row)
    return render(request, "blueprints/own.html", {"team": team, "row": row})


def _removed(request: Request, row: TeamBlueprint) -> HttpResponse:
    actions.remove(row=row, by=request.user)
    messages.success(request, f"{row.name} was deleted. Pods that were installed from it stay as they are.")
    return redirect("team-blueprints", team=row.team.slug)
