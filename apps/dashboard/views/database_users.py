"""The users of a database server and what they may do."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.roles import Role
from apps.core.errors import Detail, Invalid, NotFound
from apps.dashboard.access import Request, pod_page
from apps.dashboard.database_pages import of_request
from apps.dashboard.render import render
from apps.dashboard.views.database_data import KINDS
from apps.databases import actions
from apps.pods.models import Pod


@pod_page(needs=Role.DEVELOPER)
@require_safe
def database_users(request: Request, pod: Pod, name: str) -> HttpResponse:
    """`?user=`: whose privileges are shown."""
    target, context = of_request(request, pod, name, *KINDS)
    chosen = request.GET.get("user", "")
    with target.open_admin() as server:
        users = server.users()
        if chosen and chosen not in {user.name for user in users}:
            raise NotFound(f"user {chosen}")
        context |= {"users": users, "chosen": chosen, "databases": server.databases(), "privileges": server.privileges}
        context |= {"grants": server.grants(chosen) if chosen else []}
    return render(request, "databases/users.html", context)


@pod_page(needs=Role.DEVELOPER)
@require_POST
def database_user(request: Request, pod: Pod, name: str) -> HttpResponse:
    """`action` create, password, delete. A password is in this answer and nowhere else."""
    target, context = of_request(request, pod, name, *KINDS)
    user, action = request.POST.get("user", ""), request.POST.get("action", "")
    given: dict[str, Any] = {"target": target, "by": request.user, "name": user}
    if action == "delete":
        actions.delete_user(**given)
        messages.success(request, f"The user {user} is deleted.")
        return redirect("database-users", pod=pod.name, name=name)
    if action not in ("create", "password"):
        raise Invalid([Detail("action", "create, password or delete is needed.")])
    made = actions.create_user(**given) if action == "create" else actions.change_password(**given)
    return render(request, "databases/password.html", context | {"user": user, "password": made})


@pod_page(needs=Role.DEVELOPER)
@require_POST
def database_privileges(request: Request, pod: Pod, name: str) -> HttpResponse:
    """Grants `privileges` in `database` to `user`, or with `action` revoke takes them."""
    target, _ = of_request(request, pod, name, *KINDS)
    user, granted = request.POST.get("user", ""), request.POST.get("action") != "revoke"
    actions.change_privileges(
        target=target, by=request.user, name=user, database=request.POST.get("database", ""),
        privileges=request.POST.getlist("privileges"), granted=granted,
    )  # fmt: skip
    messages.success(request, f"{user} {'was given' if granted else 'has lost'} these privileges.")
    return redirect(reverse("database-users", args=[pod.name, name]) + "?" + urlencode({"user": user}))
