"""The logs of a pod over HTTP; who may read which is decided here, through the pod."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_safe

from apps.core.errors import NotFound
from apps.dashboard.access import Request, pod_page
from apps.dashboard.views.deployments import deployment_of
from apps.logs import reader
from apps.logs.history import respond
from apps.pods.models import Pod


@pod_page()
@require_safe
def deployment_log(request: Request, pod: Pod, deployment: str) -> HttpResponseBase:
    return respond(request, deployment_of(pod, deployment).stream)


@pod_page()
@require_safe
def deployment_log_text(request: Request, pod: Pod, deployment: str) -> StreamingHttpResponse:
    found = deployment_of(pod, deployment)
    response = StreamingHttpResponse(reader.text(found.stream), content_type="text/plain; charset=utf-8")
    name = f"{pod.name}-v{found.revision.version}-{found.pk}.log"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@pod_page()
@require_safe
def workload_log(request: Request, pod: Pod, workload: str) -> HttpResponse | StreamingHttpResponse:
    found = pod.workloads.filter(pk=workload).first()
    if found is None:
        raise NotFound("such instance in this pod")
    return respond(request, found.stream)
