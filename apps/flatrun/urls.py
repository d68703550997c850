"""The infrastructure API, beneath /api/, with or without a slash at the end: clients follow no redirect with a body."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from apps.flatrun import databases as db
from apps.flatrun import door
from apps.flatrun import infrastructure as infra

NAME = r"(?P<name>[A-Za-z0-9._-]{1,63})"


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    return door.answer(404, {"error": "There is no such address."})


DATABASES = {
    "test": db.test,
    "list": db.databases,
    "tables": db.tables,
    "tables/data": db.data,
    "tables/schema": db.schema,
    "query": db.query,
    "create": db.create,
    "delete": db.delete,
    "users": db.users,
    "users/by-database": db.users_by_database,
    "users/create": db.user_create,
    "users/delete": db.user_delete,
    "privileges/grant": db.grant,
    "privileges/revoke": db.revoke,
}

urlpatterns: list[URLPattern] = [
    re_path(r"^infrastructure/?$", infra.services, name="api-services"),
    re_path(r"^infrastructure/stats/?$", infra.stats, name="api-services-stats"),
    re_path(rf"^infrastructure/{NAME}/?$", infra.service, name="api-service"),
    re_path(rf"^infrastructure/{NAME}/logs/?$", infra.logs, name="api-service-logs"),
    re_path(rf"^infrastructure/{NAME}/(?P<verb>start|stop|restart)/?$", infra.verb, name="api-service-verb"),
    *(
        re_path(rf"^databases/{path}/?$", view, name=f"api-databases-{path.replace('/', '-')}")
        for path, view in DATABASES.items()
    ),
    re_path(r"^(?:infrastructure|databases)/", nothing, name="api-nothing"),
]
