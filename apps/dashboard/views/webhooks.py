"""The webhook of a pod: made, its secret shown and replaced, from the panel in the pod's settings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.roles import Role
from apps.core.errors import Invalid, NotFound, UserError
from apps.dashboard.access import Request, pod_page
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.hooks import actions, receive, registering
from apps.hooks.models import Outcome, Receipt
from apps.pods.models import Pod

_WORDS = {
    Outcome.DEPLOYING: "Deployed something",
    Outcome.NOTHING: "Nothing to do",
    Outcome.REFUSED: "Could not be done",
    Outcome.UNSIGNED: "Signature did not match",
}


@pod_page(needs=Role.DEVELOPER)
@require_POST
def webhook(request: Request, pod: Pod) -> HttpResponse:
    actions.make_webhook(pod=pod, by=request.user)
    messages.success(request, "The webhook is ready: paste its address and secret into your git host.")
    return redirect("pod-settings", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def webhook_registrations(request: Request, pod: Pod) -> HttpResponse:
    """Has the host of `repo` tell the pod of its pushes; once more does no harm. What the host says is said here."""
    repo = request.POST.get("repo", "")[:2000]
    try:
        made = registering.register(pod=pod, repo=repo, by=request.user)
    except Invalid as error:
        messages.error(request, " ".join(f"{repo or 'The repository'} {one.message}" for one in error.details))
    except UserError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{made.repository} tells of pushes and pull requests from now on.")
    return redirect("pod-settings", pod=pod.name)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def webhook_secret(request: Request, pod: Pod) -> HttpResponse:
    """The secret in place of its mask, of one app's address with `?app=`. A POST: no cache or history keeps it, and
    each showing is logged.
    """
    app = request.GET.get("app", "")
    if app and resource_of(pod, app)[0].kind != "App":
        raise NotFound("such app in this pod")
    secret = actions.read_key(pod=pod, by=request.user, app=app)
    return render(request, "pods/_webhook_secret.html", {"secret": secret})


@pod_page(needs=Role.DEVELOPER)
@require_http_methods(["POST", "DELETE"])
def webhook_rotation(request: Request, pod: Pod) -> HttpResponse:
    """POST makes a new secret beside the old one, DELETE ends the old one; of one app's address with `?app=`."""
    app, by = request.GET.get("app", ""), request.user
    if request.method == "DELETE":
        actions.end_old_app_key(pod=pod, app=app, by=by) if app else actions.end_old_key(pod=pod, by=by)
        messages.success(request, "Only the new secret counts now.")
    else:
        actions.rotate_app_key(pod=pod, app=app, by=by) if app else actions.rotate_key(pod=pod, by=by)
        messages.success(request, "There is a new secret; the old one counts for 24 hours more.")
    return redirect("resource", pod=pod.name, name=app) if app else redirect("pod-settings", pod=pod.name)


@pod_page()
@require_safe
def deliveries(request: Request, pod: Pod) -> HttpResponse:
    """The inbox: what came in on the webhook, the newest first."""
    wanted = request.GET.get("outcome", "")
    found = Receipt.objects.filter(pod=pod).select_related("deployment", "again_by")
    if wanted in Outcome.values:
        found = found.filter(outcome=wanted)
    return render(
        request,
        "webhooks/deliveries.html",
        frame(pod, request.access)
        | {
            "receipts": list(found),
            "wanted": wanted,
            "outcomes": [(one, _WORDS[one]) for one in Outcome],
        },
    )


@pod_page(needs=Role.DEVELOPER)
@require_POST
def redelivery(request: Request, pod: Pod, pk: int) -> HttpResponse:
    receipt = Receipt.objects.filter(pod=pod, pk=pk).first()
    if receipt is None:
        raise NotFound("such delivery to this pod")
    verdict = receive.redeliver(receipt=receipt, by=request.user)
    messages.add_message(request, messages.WARNING if verdict.outcome == "refused" else messages.INFO, verdict.words)
    return redirect("webhook-deliveries", pod=pod.name)
