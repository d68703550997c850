"""What is in an infrastructure service, for operators, who only look: databases, tables and rows, or keys."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from apps.core.errors import Detail, Invalid, NotFound
from apps.dashboard.access import Request, staff_page
from apps.dashboard.database_pages import PAGE, SHOWN, Asked, cursor_of
from apps.dashboard.render import render
from apps.databases import keyspace
from apps.databases.targets import Target, of_service
from apps.infrastructure import listing


@staff_page
@require_safe
def service_data(request: Request, name: str) -> HttpResponse:
    """`?database=`, and with `?table=` its rows, in a transaction that only reads; of a key store `?pattern=`, `?type=`
    and `?cursor=`, or the value of `?key=` in hexadecimal."""
    found = listing.named(name)
    if found.built_in or not found.is_server:
        raise NotFound("databases of it")
    target = of_service(found)
    context = {"service": found, "shown": SHOWN}
    if target.admin.type == "valkey":
        return _keys(request, target, context)
    asked = Asked.read(request.GET)
    with target.open_admin() as server:
        if asked.table:
            rows = server.rows(
                asked.database, asked.table, schema=asked.schema, limit=PAGE, offset=asked.offset, after=asked.after,
                sort=asked.sort,
            )  # fmt: skip
            return render(request, "services/rows.html", context | {"asked": asked, "found": rows})
        tables = server.tables(asked.database) if asked.database else []
        context |= {"databases": server.databases(), "database": asked.database, "tables": tables}
    return render(request, "services/data.html", context)


def _keys(request: Request, target: Target, context: dict[str, object]) -> HttpResponse:
    if asked := request.GET.get("key"):
        try:
            value = keyspace.value(target, bytes.fromhex(asked))
        except ValueError:
            raise Invalid([Detail("key", "The name of a key is needed in hexadecimal.")]) from None
        return render(request, "services/key.html", context | {"found": value, "items": keyspace.ITEMS})
    pattern, kind, cursor = (request.GET.get(word, "") for word in ("pattern", "type", "cursor"))
    page = keyspace.page(target, pattern=pattern, type=kind, cursor=cursor_of(cursor))
    context |= {"found": page, "pattern": pattern, "type": kind, "cursor": cursor, "types": keyspace.TYPES}
    return render(request, "services/keys.html", context)
