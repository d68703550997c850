"""The SQL console of a database: statements run, explained, cancelled, exported and kept."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect

from apps.accounts.roles import Role
from apps.core import downloads
from apps.core.errors import Detail, Invalid, UserError
from apps.core.ids import new_id
from apps.dashboard.access import Request
from apps.dashboard.database_inside import TABLES, Inside, inside_page
from apps.databases import actions
from apps.databases.book import entries
from apps.databases.targets import Target

LATELY = 30


def history(request: Request, inside: Inside) -> Any:
    """Everybody's for admins, one's own for others."""
    rows = entries(inside.target)
    return (rows if inside.everybody else rows.filter(user=request.user))[:LATELY]


@inside_page(*TABLES)
def database_console(request: Request, inside: Inside) -> HttpResponse:
    """`?database=`, and `?text=`, `?entry=` or `?saved=` for what stands in it."""
    target = inside.target
    database = request.GET.get("database") or target.apps.database
    with target.open_names() as server:
        database = database or next((it.name for it in target.databases(server)), "")
        names = server.columns_by_table(database)
        databases = [it.name for it in target.databases(server)] if not request.htmx else []
    saved = actions.saved_statements(target)
    text = request.GET.get("text", "")
    if wanted := request.GET.get("entry"):
        text = next((it.words for it in history(request, inside) if it.pk == wanted), "")
    elif (wanted := request.GET.get("saved", "")) and wanted.isdecimal() and len(wanted) < 10:
        text = next((it.text for it in saved if it.pk == int(wanted)), "")
    context = {
        "database": database, "databases": databases, "names": names, "saved": saved, "text": text, "run": new_id(),
        "history": history(request, inside),
    }  # fmt: skip
    return inside.render(request, "databases/console.html", context)


@inside_page(*TABLES, methods=("POST",))
def database_statement(request: Request, inside: Inside) -> HttpResponse:
    """Runs one; viewers as the reader. What is wrong with it stands where the answer would."""
    database = request.POST.get("database") or inside.target.apps.database
    context: dict[str, Any] = {"run": new_id(), "database": database}
    given: dict[str, Any] = {"target": inside.target, "by": request.user, "database": database}
    given["text"] = request.POST.get("text", "")
    try:
        context["result"] = actions.run(
            **given, write=inside.write and "read_only" not in request.POST,
            explain="explain" in request.POST, id=request.POST.get("run", ""),
        )  # fmt: skip
    except UserError as error:
        context["error"] = error
    context["history"] = history(request, inside)
    return inside.render(request, "databases/result.html", context, fragment="databases/_result.html")


@inside_page(*TABLES, methods=("POST",))
def database_cancellation(request: Request, inside: Inside) -> HttpResponse:
    if actions.cancel(target=inside.target, by=request.user, id=request.POST.get("run", "")):
        messages.success(request, "The statement is being cancelled.")
    else:
        messages.info(request, "Nothing runs any more.")
    return redirect(inside.url("console")) if not request.htmx else HttpResponse()


@inside_page(*TABLES, methods=("POST",))
@downloads.download
def database_export(request: Request, inside: Inside) -> HttpResponseBase:
    """The rows of a statement as a file, `format` csv or json, read as the reader whoever asks."""
    target = inside.target
    format = request.POST.get("format", "csv")
    if format not in ("csv", "json"):
        raise Invalid([Detail("format", "csv or json is needed.")])
    return exported(target, request, request.POST.get("database") or target.apps.database, format)


def exported(target: Target, request: Request, database: str, format: str) -> HttpResponseBase:
    found: Iterator[tuple[Any, ...]] = actions.export(
        target=target, by=request.user, database=database, text=request.POST.get("text", "")
    )
    columns = next(found)  # what the server refuses is said before the file begins
    lines = _csv(columns, found) if format == "csv" else _json(columns, found)
    kind = "text/csv; charset=utf-8" if format == "csv" else "application/json"
    response = StreamingHttpResponse(lines, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{target.name}.{format}"'
    return response


def _csv(columns: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Null is an empty cell."""
    for row in itertools.chain([columns], rows):
        line = io.StringIO()
        csv.writer(line).writerow(["" if cell is None else cell for cell in row])
        yield line.getvalue()


def _json(columns: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """A list of objects; of columns of one name the last counts, as everywhere."""
    names = list(columns)
    yield "["
    for at, row in enumerate(rows):
        yield (",\n" if at else "\n") + json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
    yield "\n]\n"


@inside_page(*TABLES, needs=Role.DEVELOPER, methods=("POST",))
def database_saved(request: Request, inside: Inside) -> HttpResponse:
    """Keeps a statement under a name; with `saved`, forgets that one."""
    target = inside.target
    wanted = request.POST.get("saved", "")
    if wanted.isdecimal() and len(wanted) < 10:
        actions.saved_statements(target).filter(pk=int(wanted)).delete()
        messages.success(request, "The statement is forgotten.")
        return redirect(inside.url("console"))
    post = request.POST
    made = actions.save_statement(target=target, by=request.user, name=post.get("name", ""), text=post.get("text", ""))
    messages.success(request, f"{made.name} is kept.")
    return redirect(inside.url("console") + f"?saved={made.pk}")
