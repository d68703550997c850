"""Teams, their members and invitations."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts import actions
from apps.accounts.models import FACTORS, Invitation, Membership, Team, User
from apps.accounts.roles import Role
from apps.core.errors import NotFound
from apps.dashboard.access import Request, public, signed_in, team_page
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.people import InviteForm, NewPasswordForm, PodRoleForm, RoleForm, TeamForm
from apps.dashboard.render import render
from apps.dashboard.views.entering import enter
from apps.notify import invitations, mail
from apps.pods.models import Lineage
from apps.pods.roles import OFFERED, give_role


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def teams(request: Request) -> HttpResponse:
    """The teams one is in; POST makes another."""
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = actions.create_team(name=form.cleaned_data["name"], by=request.user)
        messages.success(request, f"The team {made.name} is there, and you own it.")
        return redirect("team", team=made.slug)
    memberships = request.user.memberships.select_related("team").order_by("team__name")
    context = {"memberships": memberships, "form": form}
    return render(request, "teams/list.html", context, status=422 if form.errors else 200)


def _page(request: Request, team: Team, *, status: int = 200, **given: object) -> HttpResponse:
    factors = Authenticator.objects.filter(user_id=OuterRef("user_id"), type__in=FACTORS)
    # Earlier versions gave previews roles of their own, which count for nothing.
    elsewhere = Count("pod_roles", filter=~Q(pod_roles__pod__lineage=Lineage.PREVIEW))
    found = team.memberships.select_related("user").annotate(elsewhere=elsewhere, factor=Exists(factors))
    members = sorted(found, key=lambda m: (-Role(m.role).rank, m.user.name))
    context = {
        "team": team,
        "members": members,
        "roles": Role.choices,
        "invitations": Invitation.objects.open().filter(team=team) if request.access.may(Role.ADMIN) else [],
        "invite_form": InviteForm(),
        "mails": mail.ready(),
        "name_form": TeamForm(initial={"name": team.name}),
        "may_manage": request.access.may(Role.ADMIN),
        "may_own": request.access.may(Role.OWNER),
    }
    return render(request, "teams/detail.html", context | given, status=status)


@team_page()
@require_safe
def team(request: Request, team: Team) -> HttpResponse:
    return _page(request, team)


@team_page(needs=Role.ADMIN)
@require_POST
def team_name(request: Request, team: Team) -> HttpResponse:
    form = TeamForm(request.POST)
    if not form.is_valid():
        return _page(request, team, status=422, name_form=form)
    actions.rename_team(team=team, name=form.cleaned_data["name"], by=request.user)
    messages.success(request, "The team was renamed.")
    return redirect("team", team=team.slug)


@team_page(needs=Role.OWNER)
@require_POST
def team_second_factor(request: Request, team: Team) -> HttpResponse:
    """`required`: on, or not given."""
    required = request.POST.get("required") == "on"
    actions.require_second_factor(team=team, required=required, by=request.user)
    messages.success(request, "Members need a second factor now." if required else "The password alone is enough now.")
    return redirect("team", team=team.slug)


@team_page(needs=Role.ADMIN)
@require_POST
def team_invitations(request: Request, team: Team) -> HttpResponse:
    """Shows the link once: nobody but the page's reader has it."""
    form = InviteForm(request.POST)
    if form.is_valid():
        with errors_into(form):
            invitation, token = invitations.invite(team=team, by=request.user, **form.cleaned_data)
            link = settings.BRAINPOD.public_address + reverse("invitation", kwargs={"token": token})
            return _page(request, team, invited=invitation, link=link)
    return _page(request, team, status=422, invite_form=form)


@team_page(needs=Role.ADMIN)
@require_http_methods(["DELETE"])
def team_invitation(request: Request, team: Team, pk: int) -> HttpResponse:
    invitation = team.invitations.filter(pk=pk).first()
    if invitation is None:
        raise NotFound("such invitation")
    actions.withdraw(invitation=invitation, by=request.user)
    messages.success(request, f"The invitation of {invitation.email} was withdrawn.")
    return redirect("team", team=team.slug)


@team_page()
@require_http_methods(["POST", "DELETE"])
def team_member(request: Request, team: Team, pk: int) -> HttpResponse:
    """POST changes the role, DELETE ends the membership: others' for admins, one's own for everybody."""
    membership = team.memberships.select_related("user", "team").filter(pk=pk).first()
    if membership is None:
        raise NotFound("such member")
    if request.method == "DELETE":
        return _remove(request, membership)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _page(request, team, status=422, role_error=(membership.pk, "Choose one of the roles."))
    actions.change_role(membership=membership, role=form.cleaned_data["role"], by=request.user)
    messages.success(request, f"{membership.user.name} is now {membership.get_role_display().lower()}.")
    return redirect("team", team=team.slug)


@team_page(needs=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def member_pods(request: Request, team: Team, pk: int) -> HttpResponse:
    """What a member may in each pod; posting changes it for one (`pod`, `role`; empty: as in the team)."""
    membership = team.memberships.select_related("user", "team").filter(pk=pk).first()
    if membership is None:
        raise NotFound("such member")
    form = PodRoleForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        pod = team.pods.filter(name=form.cleaned_data["pod"]).first()
        if pod is None:
            raise NotFound("such pod in this team")
        give_role(membership=membership, pod=pod, role=form.cleaned_data["role"], by=request.user)
        messages.success(request, f"The role of {membership.user.name} in {pod.name} was changed.")
        return redirect("member-pods", team=team.slug, pk=pk)
    pods = team.pods.filter(deleting_at=None).exclude(lineage=Lineage.PREVIEW)  # they have their parents' roles
    given = dict(membership.pod_roles.values_list("pod_id", "role"))
    context = {
        "team": team,
        "member": membership,
        "rows": [(pod, given.get(pod.pk, "")) for pod in pods],
        "everywhere": Role(membership.role) >= Role.ADMIN,
        "offered": [role for role in OFFERED if role < Role.ADMIN or request.access.may(Role.OWNER)],
        "refused": form is not None,
    }
    return render(request, "teams/member_pods.html", context, status=422 if form else 200)


def _remove(request: Request, membership: Membership) -> HttpResponse:
    team, user = membership.team, membership.user
    actions.remove_member(membership=membership, by=request.user)
    if user == request.user:
        messages.success(request, f"You have left {team.name}.")
        return redirect("home")
    messages.success(request, f"{user.name} is no longer a member.")
    return redirect("team", team=team.slug)


@public
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Whoever has the link sees the team's name; the account of the invited address joins."""
    found = Invitation.objects.select_related("team", "invited_by").open().holding(token)
    if found is None:
        raise NotFound("such invitation, or it was used or has expired: ask for another")
    if isinstance(request.user, User):
        if request.method == "POST":
            actions.accept(invitation=found, user=request.user)
            messages.success(request, f"You are in {found.team.name}.")
            return redirect("team", team=found.team.slug)
        return render(request, "teams/invitation.html", {"invitation": found})
    known = User.objects.filter(email=found.email).exists()
    form = NewPasswordForm(request.POST if request.method == "POST" and not known else None)
    form.email = found.email
    if form.is_bound and form.is_valid():
        with errors_into(form):
            return enter(request, actions.accept_as_new_user(invitation=found, **form.cleaned_data))
    context = {"invitation": found, "known": known, "form": form}
    return render(request, "teams/invitation.html", context, status=422 if form.errors else 200)
