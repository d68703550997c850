"""The inside of database servers as pages: of those of pods, and for operators of those of the infrastructure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from apps.accounts.roles import Role
from apps.core.errors import NotFound
from apps.dashboard.access import Request, View, pod_page, staff_page
from apps.dashboard.pod_frame import frame
from apps.dashboard.render import render
from apps.dashboard.resource_pages import resource_of
from apps.databases.targets import TYPES, Target, of_pod, of_service
from apps.infrastructure import listing
from apps.pods.models import Pod
from apps.sql.base import OPERATORS

TABLES = ("postgresql", "mysql", "mariadb")
KEYS = ("valkey",)
SHOWN = 300  # characters of a cell in a table


@dataclass(frozen=True, slots=True)
class Inside:
    """A server that is looked into: a pod's own, or for operators one of the infrastructure.

    `kind`: what the names of its pages begin with; `at`: what their addresses name. `role`: that of who asks; operators
    have the highest. `around`: the context of what stands around it.
    """

    target: Target
    kind: str
    at: tuple[str, ...]
    role: Role
    around: dict[str, Any]

    @property
    def write(self) -> bool:
        return self.role >= Role.DEVELOPER

    @property
    def everybody(self) -> bool:
        """Whether they see what others did."""
        return self.role >= Role.ADMIN

    def url(self, part: str) -> str:
        return reverse(f"{self.kind}-{part}", args=self.at)

    def render(self, request: Request, template: str, context: dict[str, Any], **more: Any) -> HttpResponse:
        own = {"inside": self, "target": self.target, "write": self.write, "operators": OPERATORS, "shown": SHOWN}
        return render(request, template, self.around | own | context, **more)


InsideView = Callable[[Request, Inside], HttpResponseBase]


class InsidePage(NamedTuple):
    """The same page at both of its addresses."""

    of_pod: View
    of_service: View


def inside_page(
    *types: str, needs: Role = Role.VIEWER, methods: Sequence[str] = ("GET", "HEAD")
) -> Callable[[InsideView], InsidePage]:
    """Of servers of `types`. In a pod it `needs` a role; those of the infrastructure are the operators'."""

    def decorator(view: InsideView) -> InsidePage:
        @pod_page(needs=needs)
        @require_http_methods(methods)
        def of_pod(request: Request, pod: Pod, name: str) -> HttpResponseBase:
            return view(request, _of_pod(request, pod, name, types))

        @staff_page
        @require_http_methods(methods)
        def of_service(request: Request, name: str) -> HttpResponseBase:
            return view(request, _of_service(name, types))

        return InsidePage(of_pod, of_service)

    return decorator


def _of_pod(request: Request, pod: Pod, name: str, types: Sequence[str]) -> Inside:
    """Raises what `of_pod` does."""
    found, _ = resource_of(pod, name)
    if TYPES.get(found.kind) not in types:
        raise NotFound("such database in this pod")
    around = frame(pod, request.access) | {"resource": found}
    return Inside(of_pod(pod, name), "database", (pod.name, name), request.access.role, around)


def _of_service(name: str, types: Sequence[str]) -> Inside:
    found = listing.named(name)
    if found.built_in or not found.is_server:
        raise NotFound("databases of it")
    target = of_service(found)
    if target.admin.type not in types:
        raise NotFound("such a server")
    return Inside(target, "service", (name,), Role.OWNER, {"service": found, "may_change": True})
