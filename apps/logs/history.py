"""What the viewer fetches over HTTP: older lines, a search through the whole log, the download.

The face that knows who may read which stream calls `respond`; nothing is checked here.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict, StreamingHttpResponse

from apps.core.errors import Detail, Invalid
from apps.logs import reader
from apps.logs.lines import Line

MOST = 5000  # lines in one answer


def respond(request: HttpRequest, stream: str) -> HttpResponse | StreamingHttpResponse:
    """`?before=N` or `?after=N` (and `limit`), `?search=text`, `?download=1`; without any, the newest lines.

    JSON: `{"lines": [[seq, at, section, level, text]…], "dropped": N, "last": N}`. Raises Invalid.
    """
    if "download" in request.GET:
        response = StreamingHttpResponse(reader.text(stream), content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{stream.replace(":", "-")}.log"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
    return JsonResponse(payload(stream, _chosen(stream, request.GET)))


def payload(stream: str, lines: list[Line]) -> dict[str, Any]:
    return {"lines": lines, "dropped": reader.dropped(stream), "last": reader.last_seq(stream)}


def initial(stream: str, lines: int = 500) -> dict[str, Any]:
    """What a page shows before its socket is open: give it to `templates/logs/_viewer.html`."""
    return payload(stream, reader.tail(stream, lines))


def _chosen(stream: str, query: QueryDict) -> list[Line]:
    limit = min(_number(query, "limit", 1000), MOST)
    if wanted := str(query.get("search", "")):
        return reader.search(stream, wanted[:1000], limit=limit)
    if "before" in query:
        return reader.before(stream, _number(query, "before", 0), limit)
    if "after" in query:
        return reader.read(stream, after=_number(query, "after", 0), limit=limit)
    return reader.tail(stream, limit)


def _number(query: QueryDict, name: str, default: int) -> int:
    given = query.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise Invalid([Detail(name, "must be a whole number.")])
    return int(given)
