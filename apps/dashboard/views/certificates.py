"""The certificate of a domain: how it stands, requested anew, proven by hand, replaced by one's own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import gate
from apps.accounts.roles import Role
from apps.core.errors import Detail, Invalid
from apps.dashboard.access import Request, pod_page
from apps.dashboard.certificate_card import certificate_of, history, row_of
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.certificates import CertificateForm
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.deployments import certify
from apps.pods.models import Pod


@pod_page()
@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
def certificate(request: Request, pod: Pod, host: str) -> HttpResponse:
    """Reading is for everybody in the team; posting uploads one's own, deleting takes that away."""
    found = certificate_of(pod, host)
    form = CertificateForm()
    status = 200
    if request.method in ("POST", "DELETE"):
        gate.require(request.access.role, Role.DEVELOPER)
    if request.method == "DELETE":
        certify.take_away(certificate=found, by=request.user)
        messages.success(request, f"Your certificate of {host} is taken away.")
        return redirect("certificate", pod=pod.name, host=host)
    if request.method == "POST":
        form = CertificateForm(request.POST)
        if form.is_valid():
            with errors_into(form):
                given = form.cleaned_data
                certify.upload(certificate=found, chain=given["chain"], key=given["key"], by=request.user)
        if form.is_valid():
            messages.success(request, f"Your certificate of {host} is in use within seconds.")
            return redirect("certificate", pod=pod.name, host=host)
        status = 422
    context = frame(pod, request.access) | {"row": row_of(found), "form": form, "events": history(found)}
    return render(request, "certificates/certificate.html", context, fragment="certificates/_state.html", status=status)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def certificate_request(request: Request, pod: Pod, host: str) -> HttpResponse:
    found = certificate_of(pod, host)
    certify.request(certificate=found, by=request.user, by_hand=request.POST.get("by") == "hand")
    messages.success(request, f"A certificate for {host} is being requested.")
    return redirect("certificate", pod=pod.name, host=host)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def certificate_confirmation(request: Request, pod: Pod, host: str) -> HttpResponse:
    """The records shown so far (`count`) are in the DNS."""
    text = request.POST.get("count", "")
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise Invalid([Detail("count", "must be the number of records that are there.")])
    certify.confirm(certificate=certificate_of(pod, host), count=int(text), by=request.user)
    messages.success(request, "The certificate authority looks now.")
    return redirect("certificate", pod=pod.name, host=host)
