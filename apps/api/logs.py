"""A log as text, or a page of its lines: on from a cursor, which also serves to ask for what has come since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Query

from apps.api import places
from apps.core.errors import Detail, Invalid
from apps.logs import reader
from apps.logs.lines import Line
from apps.logs.stages import shown
from apps.logs.store import moment

Format = Annotated[Literal["json", "text"], Query(description="text: the whole log, as the dashboard gives it.")]
Search = Annotated[str, Query(max_length=256, description="Lines with this in them alone, in whatever case.")]
Cursor = Annotated[str, Query(max_length=15, description="The cursor of the page before.")]
Limit = Annotated[int, Query(ge=1, le=5000)]
AT_ONCE = 5000  # lines
LOOKED = 100_000  # lines looked through for a page of a search


@dataclass(frozen=True, slots=True)
class Asked:
    format: str
    search: str
    cursor: str
    limit: int


def answer(response: HttpResponse, stream: str, here: places.Link, asked: Asked) -> Any:
    """Raises Invalid naming the cursor."""
    if asked.format == "text":
        text = StreamingHttpResponse(reader.text(stream), content_type="text/plain; charset=utf-8")
        text["X-Content-Type-Options"] = "nosniff"
        return text
    cursor = asked.cursor or "0"
    if not (cursor.isascii() and cursor.isdigit()):
        raise Invalid([Detail("cursor", "is none of this log's: begin anew, without one.")])
    lines, last = _page(stream, int(cursor), asked)
    newest = reader.last_seq(stream)
    said = {"search": asked.search or None, "limit": asked.limit}
    further = None
    if last < newest and (lines or asked.search):
        response["x-next-cursor"] = str(last)
        further = places.query(here, **said, cursor=last)
        response["Link"] = f'<{further["href"]}>; rel="next"'
    return {
        "items": [_shown(line) for line in lines],
        "cursor": str(last),
        "dropped": reader.dropped(stream),
        "last": newest,
        "_links": {"self": places.query(here, **said, cursor=asked.cursor or None), "next": further},
    }


def _page(stream: str, after: int, asked: Asked) -> tuple[list[Line], int]:
    """The lines, and the last one that was looked at."""
    wanted = asked.search.casefold()
    found: list[Line] = []
    looked = 0
    while looked < LOOKED:
        lines = reader.read(stream, after=after, limit=AT_ONCE if wanted else asked.limit)
        for line in lines:
            after = line.seq
            if wanted in shown(line).casefold():
                found.append(line)
                if len(found) == asked.limit:
                    return found, after
        looked += len(lines)
        if not wanted or not lines:
            break
    return found, after


def _shown(line: Line) -> dict[str, Any]:
    return {"seq": line.seq, "at": moment(line.at), "section": line.section, "level": line.level, "text": shown(line)}
