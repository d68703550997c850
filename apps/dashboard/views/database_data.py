"""The inside of a database: its databases and tables, rows, structure."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from apps.accounts.roles import Role
from apps.core.errors import Detail, Invalid
from apps.dashboard.access import Request
from apps.dashboard.database_inside import TABLES, Inside, inside_page
from apps.dashboard.database_pages import PAGE, Asked, check_marks, entered, key_of, marks_of
from apps.databases import actions


@inside_page(*TABLES)
def database_data(request: Request, inside: Inside) -> HttpResponse:
    """`?database=`: whose tables; without, the one apps are given. Names and sizes are read as the platform's user."""
    database = request.GET.get("database") or inside.target.apps.database
    with inside.target.open_names() as server:
        context = {
            "databases": inside.target.databases(server),
            "database": database,
            "server_version": server.version(),
        }
        context["tables"] = server.tables(database) if database else []
    return inside.render(request, "databases/data.html", context)


@inside_page(*TABLES, needs=Role.DEVELOPER, methods=("POST",))
def database_databases(request: Request, inside: Inside) -> HttpResponse:
    """Makes one, or with `action` delete, and its name once more in `confirmation`, deletes one."""
    target = inside.target
    database = request.POST.get("database", "")
    if request.POST.get("action") == "delete":
        if request.POST.get("confirmation") != database:
            raise Invalid([Detail("confirmation", f"Type {database} to delete it.")])
        actions.delete_database(target=target, by=request.user, name=database)
        messages.success(request, f"The database {database} is deleted.")
    else:
        actions.create_database(target=target, by=request.user, name=database)
        messages.success(request, f"The database {database} is made.")
    return redirect(inside.url("data"))


@inside_page(*TABLES)
def database_rows(request: Request, inside: Inside) -> HttpResponse:
    asked = Asked.read(request.GET)
    with inside.target.open(asked.database, write=inside.write) as server:
        rows = server.rows(
            asked.database, asked.table, schema=asked.schema, limit=PAGE, offset=asked.offset, after=asked.after,
            filters=asked.filters, sort=asked.sort,
        )  # fmt: skip
    return inside.render(request, "databases/rows.html", {"asked": asked, "found": rows})


@inside_page(*TABLES)
def database_structure(request: Request, inside: Inside) -> HttpResponse:
    asked = Asked.read(request.GET)
    with inside.target.open_names() as server:
        structure = server.structure(asked.database, asked.table, asked.schema)
    return inside.render(request, "databases/structure.html", {"asked": asked, "structure": structure})


@inside_page(*TABLES, needs=Role.DEVELOPER, methods=("GET", "HEAD", "POST"))
def database_row(request: Request, inside: Inside) -> HttpResponse:
    """The row whose key is in `k.<column>`; a new one without. A POST with `action` delete deletes it."""
    target = inside.target
    asked, key = Asked.read(request.GET), key_of(request.GET.dict())
    with target.open(asked.database, write=True) as server:
        found = server.row(asked.database, asked.table, key, schema=asked.schema) if key else None
        columns = found.columns if found else server.structure(asked.database, asked.table, asked.schema).columns
    cells = found.rows[0] if found else (None,) * len(columns)
    cut = {at for _, at in found.cut} if found else set()
    whole = {it.name: cells[at] for at, it in enumerate(columns) if at not in cut}
    if request.method != "POST":
        rows = [(column, cells[at], at in cut) for at, column in enumerate(columns)]
        context = {"asked": asked, "key": key, "cells": rows, "marks": marks_of(whole)}
        return inside.render(request, "databases/row.html", context)
    place: dict[str, Any] = {"target": target, "by": request.user, "database": asked.database, "schema": asked.schema}
    if not key:
        actions.insert_row(**place, table=asked.table, values=entered(request.POST.dict(), None))
        messages.success(request, "The row is there.")
        return redirect(inside.url("rows") + asked.place())
    check_marks(request.POST.get("marks", ""), whole)
    place |= {"table": asked.table, "key": key, "expected": whole}
    if request.POST.get("action") == "delete":
        actions.delete_row(**place)
        messages.success(request, "The row is deleted.")
    else:
        actions.update_row(**place, values=entered(request.POST.dict(), whole))
        messages.success(request, "The row is changed.")
    return redirect(inside.url("rows") + asked.place())
