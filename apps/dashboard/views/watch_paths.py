"""The tester of an app's watch paths: looking is for everybody, asking the repository for those who may change."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.builds.inputs import has_source
from apps.core.errors import Invalid, NotFound, UserError
from apps.dashboard.access import Request, pod_page
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.dashboard.watch_paths import Trial, check, judge, recent
from apps.pods import actions, kinds
from apps.pods.models import Pod, Resource


@pod_page()
@require_http_methods(["GET", "HEAD", "POST"])
def watch_paths(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Posting tests the patterns; with `use` it puts them into the draft."""
    resource, around = resource_of(pod, name)
    if not has_source(resource):
        raise NotFound("such app with a repository in this pod")
    trial = Trial(patterns="\n".join(resource.spec["source"].get("watchPaths", ())))
    status = 200
    known = recent(pod, resource)
    if request.method == "POST":
        gate.require(request.access.role, Role.DEVELOPER)
        chosen = request.POST.get("commit", "").strip() or request.POST.get("recent", "").strip()
        trial = Trial(commit=chosen[:500], patterns=request.POST.get("patterns", "").replace("\r\n", "\n"))
        try:
            if "use" in request.POST:
                _use(request, pod, resource, trial)
                messages.success(request, f"The watch paths of {name} are in the draft.")
                return redirect("draft", pod=pod.name)
            trial.verdict = judge(pod, resource, trial, known)
        except UserError as error:
            _refuse(trial, error)
            status = error.status if error.status in (409, 422, 429) else 422
    context = frame(pod, request.access) | {
        "resource": resource,
        "trial": trial,
        "recent": known,
        "branch": resource.spec["source"].get("branch", ""),
        "may_use": name in around,
    }
    return render(request, "resources/watch_paths.html", context, fragment="resources/_watch_paths.html", status=status)


def _use(request: Request, pod: Pod, resource: Resource, trial: Trial) -> None:
    check(trial)
    spec = kinds.get("App").read(resource.spec).model_dump(mode="json")
    spec["source"]["watchPaths"] = trial.lines
    seen = request.POST.get("seen") or resource.token
    actions.save_resource(pod=pod, kind="App", name=resource.name, spec=spec, by=request.user, create=False, seen=seen)


def _refuse(trial: Trial, error: UserError) -> None:
    """Each error beside the field it is about; what the repository's host said is about the commit."""
    if not isinstance(error, Invalid):
        trial.errors.setdefault("commit", []).append(str(error))
        return
    for detail in error.details:
        about = "patterns" if detail.path.startswith(("patterns", "source.watchPaths")) else "commit"
        number = detail.path.rpartition(".")[2]
        place = f"Line {int(number) + 1} " if detail.path.startswith("source.watchPaths.") and number.isdigit() else ""
        trial.errors.setdefault(about, []).append(place + detail.message)
