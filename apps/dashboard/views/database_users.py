"""The users of a database server and what they may do."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import urlencode

from apps.accounts.roles import Role
from apps.core.errors import Detail, Invalid, NotFound
from apps.dashboard.access import Request
from apps.dashboard.database_inside import TABLES, Inside, inside_page
from apps.databases import actions


@inside_page(*TABLES, needs=Role.DEVELOPER)
def database_users(request: Request, inside: Inside) -> HttpResponse:
    """`?user=`: whose privileges are shown."""
    chosen = request.GET.get("user", "")
    with inside.target.open_admin() as server:
        users = server.users()
        if chosen and chosen not in {user.name for user in users}:
            raise NotFound(f"user {chosen}")
        context = {"users": users, "chosen": chosen, "databases": server.databases(), "privileges": server.privileges}
        context["grants"] = server.grants(chosen) if chosen else []
    return inside.render(request, "databases/users.html", context)


@inside_page(*TABLES, needs=Role.DEVELOPER, methods=("POST",))
def database_user(request: Request, inside: Inside) -> HttpResponse:
    """`action` create, password, delete. A password is in this answer and nowhere else."""
    user, action = request.POST.get("user", ""), request.POST.get("action", "")
    given: dict[str, Any] = {"target": inside.target, "by": request.user, "name": user}
    if action == "delete":
        actions.delete_user(**given)
        messages.success(request, f"The user {user} is deleted.")
        return redirect(inside.url("users"))
    if action not in ("create", "password"):
        raise Invalid([Detail("action", "create, password or delete is needed.")])
    made = actions.create_user(**given) if action == "create" else actions.change_password(**given)
    return inside.render(request, "databases/password.html", {"user": user, "password": made})


@inside_page(*TABLES, needs=Role.DEVELOPER, methods=("POST",))
def database_privileges(request: Request, inside: Inside) -> HttpResponse:
    """Grants `privileges` in `database` to `user`, or with `action` revoke takes them."""
    user, granted = request.POST.get("user", ""), request.POST.get("action") != "revoke"
    actions.change_privileges(
        target=inside.target, by=request.user, name=user, database=request.POST.get("database", ""),
        privileges=request.POST.getlist("privileges"), granted=granted,
    )  # fmt: skip
    messages.success(request, f"{user} {'was given' if granted else 'has lost'} these privileges.")
    return redirect(inside.url("users") + "?" + urlencode({"user": user}))
