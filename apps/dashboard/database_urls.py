"""Where the pages of a server's inside are: beneath a pod's resource, and beneath a service of the infrastructure."""

from __future__ import annotations

from django.urls import URLPattern, path

from apps.dashboard.database_inside import InsidePage
from apps.dashboard.views import database_console, database_data, database_keys, database_users

PAGES: dict[str, tuple[str, InsidePage]] = {
    "data": ("database/", database_data.database_data),
    "databases": ("database/databases/", database_data.database_databases),
    "rows": ("database/rows/", database_data.database_rows),
    "row": ("database/row/", database_data.database_row),
    "structure": ("database/structure/", database_data.database_structure),
    "console": ("console/", database_console.database_console),
    "statement": ("console/statements/", database_console.database_statement),
    "cancellation": ("console/cancellation/", database_console.database_cancellation),
    "export": ("console/export/", database_console.database_export),
    "saved": ("console/saved/", database_console.database_saved),
    "users": ("users/", database_users.database_users),
    "user": ("users/user/", database_users.database_user),
    "privileges": ("users/privileges/", database_users.database_privileges),
    "keys": ("browser/", database_keys.database_keys),
    "key": ("browser/key/", database_keys.database_key),
}


def of_pods() -> list[URLPattern]:
    """Beneath /pods/."""
    resource = "<slug:pod>/resources/<slug:name>/"
    return [path(resource + at, page.of_pod, name=f"database-{part}") for part, (at, page) in PAGES.items()]


def of_services() -> list[URLPattern]:
    service = "operators/services/<slug:name>/"
    return [path(service + at, page.of_service, name=f"service-{part}") for part, (at, page) in PAGES.items()]
