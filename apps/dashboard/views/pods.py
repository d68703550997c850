"""A pod: its map, its bar, its settings; and making and deleting one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import gate
from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.builds import fleet
from apps.cdn.models import CloudflareZone
from apps.core.errors import Conflict
from apps.dashboard.access import Request, pod_page, signed_in
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.cdn import CloudflareForm
from apps.dashboard.forms.pods import DeletionForm, EngineForm, PodForm, RegionForm
from apps.dashboard.placement import placement
from apps.dashboard.pod_frame import frame
from apps.dashboard.pod_map import pod_map
from apps.dashboard.render import render
from apps.deployments import actions as deployments
from apps.hooks.panel import panel
from apps.pods import actions
from apps.pods.models import Pod
from apps.pushes import door


def own_teams(request: Request) -> list[tuple[str, str]]:
    """The teams in which the person may make a pod, for a choice."""
    able = [role for role in Role if role >= Role.DEVELOPER]
    found = request.user.memberships.filter(role__in=able).select_related("team").order_by("team__name")
    return [(membership.team.slug, membership.team.name) for membership in found]


@signed_in
@require_safe
def pod_new(request: Request) -> HttpResponse:
    form = PodForm(teams=own_teams(request), initial={"team": request.GET.get("team", "")})
    return render(request, "pods/new.html", {"form": form})


@signed_in
@require_POST
def pods(request: Request) -> HttpResponse:
    form = PodForm(request.POST, teams=own_teams(request))
    status = 422
    if form.is_valid():
        team = Team.objects.joined_by(request.user).get(slug=form.cleaned_data["team"])
        gate.access(request.user, team, Role.DEVELOPER)
        try:
            with errors_into(form):
                made = actions.create_pod(team=team, name=form.cleaned_data["name"], by=request.user)
                return redirect("pod", pod=made.name)
        except Conflict as error:
            form.add_error("name", str(error))
            status = error.status
    return render(request, "pods/new.html", {"form": form}, status=status)


@pod_page()
@require_safe
def pod(request: Request, pod: Pod) -> HttpResponse:
    children = pod.children.order_by("lineage", "name")
    context = frame(pod, request.access) | {"map": pod_map(pod), "push_to": door.remote(pod), "children": children}
    return render(request, "pods/pod.html", context, fragment="pods/_pod_map.html")


@pod_page()
@require_safe
def pod_bar(request: Request, pod: Pod) -> HttpResponse:
    return render(request, "pods/_pod_bar.html", frame(pod, request.access) | {"oob": True})


@pod_page()
@require_safe
def pod_settings(request: Request, pod: Pod) -> HttpResponse:
    return settings_page(request, pod)


def settings_page(
    request: Request,
    pod: Pod,
    *,
    form: DeletionForm | None = None,
    cloudflare_form: CloudflareForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """With the forms that were refused, if any."""
    zone = CloudflareZone.objects.filter(pod=pod).first()
    context = frame(pod, request.access) | {
        "form": form or DeletionForm(),
        "children": pod.children.filter(deleting_at=None),
        "cloudflare": zone,
        "cloudflare_form": cloudflare_form or CloudflareForm(initial={"zone": zone.zone if zone else ""}),
        "webhook": panel(pod),
        "region_form": _region_form(pod),
        **placement(pod),
    }
    return render(request, "pods/settings.html", context, status=status)


def _region_form(pod: Pod, data: QueryDict | None = None) -> RegionForm:
    return RegionForm(data, regions=fleet.regions(pod), initial={"region": pod.region})


@pod_page(needs=Role.DEVELOPER)
@require_POST
def pod_region(request: Request, pod: Pod) -> HttpResponse:
    form = _region_form(pod, request.POST)
    if not form.is_valid():
        messages.error(request, "Region: choose one of those that have a builder.")
        return redirect("pod-settings", pod=pod.name)
    actions.move_pod(pod=pod, region=form.cleaned_data["region"], by=request.user)
    messages.success(request, f"{pod.name} is built in {form.cleaned_data['region']} from now on.")
    return redirect("pod-settings", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def pod_engine(request: Request, pod: Pod) -> HttpResponse:
    form = EngineForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the engines that are offered here.")
        return redirect("pod-settings", pod=pod.name)
    actions.choose_engine(pod=pod, engine=form.cleaned_data["engine"], by=request.user)
    messages.success(request, "It is in the draft: deploy it, and the pod moves.")
    return redirect("draft", pod=pod.name)


@pod_page(needs=Role.ADMIN)
@require_POST
def pod_deletion(request: Request, pod: Pod) -> HttpResponse:
    form = DeletionForm(request.POST)
    if form.is_valid():
        if form.cleaned_data["children"]:
            for child in pod.children.select_related("team"):
                gate.pod_access(request.user, child, Role.ADMIN)
        with errors_into(form, codes={"has_children": "children"}):
            deployments.delete_pod(pod=pod, by=request.user, **form.cleaned_data)
            messages.success(request, f"{pod.name} is being deleted.")
            return redirect("home")
    return settings_page(request, pod, form=form, status=422)
