"""The audit log: a team's for its admins, all of it for operators; as pages and as files."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from apps.accounts.models import Team
from apps.accounts.roles import Role
from apps.audit import reading
from apps.audit.models import AuditEntry, AuditQuerySet
from apps.core.errors import Detail, Invalid
from apps.dashboard.access import Request, staff_page, team_page
from apps.dashboard.forms.audit import AuditForm
from apps.dashboard.render import render

_LONGEST_KEY = 18  # digits of an entry's number


@team_page(needs=Role.ADMIN)
@require_safe
def team_audit(request: Request, team: Team) -> HttpResponse:
    return _page(request, AuditEntry.objects.filter(team=team), team)


@team_page(needs=Role.ADMIN)
@require_safe
def team_audit_file(request: Request, team: Team, kind: str) -> StreamingHttpResponse:
    return _file(request, AuditEntry.objects.filter(team=team), kind, team.slug)


@staff_page
@require_safe
def audit(request: Request) -> HttpResponse:
    return _page(request, AuditEntry.objects.all(), None)


@staff_page
@require_safe
def audit_file(request: Request, kind: str) -> StreamingHttpResponse:
    return _file(request, AuditEntry.objects.all(), kind, "platform")


def _page(request: Request, rows: AuditQuerySet, team: Team | None) -> HttpResponse:
    form = AuditForm(request.GET)
    wanted = form.wanted()
    key = request.GET.get("before", "")
    before = int(key) if key.isascii() and key.isdigit() and len(key) <= _LONGEST_KEY else None
    entries, older = reading.page(reading.matching(rows, wanted), before)
    given = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
    context = {
        "team": team,
        "form": form,
        "entries": entries,
        "filtered": bool(given),
        "first": before is None,
        "query": urlencode(given),
        "older": urlencode({**given, "before": older}) if older else "",
    }
    return render(request, "audit/audit.html", context, status=422 if form.errors else 200)


def _file(request: Request, rows: AuditQuerySet, kind: str, name: str) -> StreamingHttpResponse:
    """What the same filters show on the page, all of it, written while it is read."""
    writers = {"csv": (reading.as_csv, "text/csv"), "jsonl": (reading.as_json_lines, "application/x-ndjson")}
    if kind not in writers:
        raise Invalid([Detail("kind", "must be csv or jsonl.")])
    form = AuditForm(request.GET)
    wanted = form.wanted()
    if form.errors:
        raise Invalid([Detail(field, str(errors[0])) for field, errors in form.errors.items()])
    write, content = writers[kind]
    return StreamingHttpResponse(
        write(reading.matching(rows, wanted)),
        content_type=f"{content}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="audit-{name}.{kind}"', "Cache-Control": "no-store"},
    )
