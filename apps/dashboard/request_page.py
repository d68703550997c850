"""The request log of a route or an app as people see it: what is looked for, a page of it, and what is new."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from apps.edge import edge
from apps.edge.journal.entry import STATUS, Entry, Filter, Place
from apps.edge.journal.search import MOST, Page, after, back
from apps.pods.models import Pod, Resource

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CLASSES = ("2xx", "3xx", "4xx", "5xx")
KINDS = ("Route", "App")  # what has a request log
EDGE = "edge"  # what it answered by itself
INSTANCES = 200  # the newest instances that an address is compared with
_PLACE = re.compile(r"([0-9]{1,12})\.([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says. `status`: a class, one number, or what is neither: then nothing matches."""

    status: str = ""
    method: str = ""
    path: str = ""
    least: str = ""  # milliseconds
    id: str = ""
    upstream: str = ""  # as it is shown: the edge; an app, an instance's number or name, or an address

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        return cls(**{name: query.get(name, "").strip()[:200] for name in cls.__dataclass_fields__})

    @property
    def wrong(self) -> dict[str, str]:
        """What of it cannot be looked for, by field."""
        found = {}
        if self.status and not STATUS.fullmatch(self.status):
            found["status"] = "A class such as 5xx, or a number such as 404."
        if self.least and not (self.least.isascii() and self.least.isdigit() and len(self.least) < 9):
            found["least"] = "A whole number of milliseconds."
        return found

    @property
    def query(self) -> str:
        """As a part of an address, beginning with an ampersand; empty when nothing is asked for."""
        given = urlencode({name: value for name, value in asdict(self).items() if value})
        return f"&{given}" if given else ""

    def filter(self, pod: Pod, resource: Resource) -> Filter:
        wrong = {*self.wrong, "least", "upstream"}
        given = {name: value for name, value in asdict(self).items() if name not in wrong}
        least = 0 if "least" in self.wrong else int(self.least or 0)
        given |= {resource.kind.lower(): resource.name}
        return Filter(pod.pk, least=least, asked=_meant(self.upstream, pod), **given)


def context(pod: Pod, resource: Resource, query: Mapping[str, str]) -> dict[str, Any]:
    """`before=<place>`: the page that goes on there; without, the newest, which then stays live."""
    asked = Asked.of(query)
    before = place(query.get("before", ""))
    page = back(edge().journal(), asked.filter(pod, resource), before)
    return {
        "asked": asked,
        "methods": METHODS,
        "classes": CLASSES,
        "live": before is None,
        "older": mark(page.before) if page.before else "",
        "bound": page.looked if page.before and page.looked >= MOST else 0,
    } | _shown(pod, page)


def news(pod: Pod, resource: Resource, query: Mapping[str, str]) -> dict[str, Any]:
    """What came since `after=<place>`, and where to go on."""
    asked = Asked.of(query)
    since = place(query.get("after", "")) or (0, 0)
    page = after(edge().journal(), asked.filter(pod, resource), since)
    return {"asked": asked, "skipped": page.skipped} | _shown(pod, page)


def _shown(pod: Pod, page: Page) -> dict[str, Any]:
    names = _instances(pod) if any(":" in one for entry in page.entries for one in entry.upstreams) else {}
    return {"entries": [(one, _asked(one, names)) for one in page.entries], "end": mark(page.end)}


def _instances(pod: Pod) -> dict[str, str]:
    """The newest instances by their addresses."""
    rows = pod.workloads.order_by("-id")[:INSTANCES]
    return {str(row.handle.get("address")): str(row) for row in reversed(rows)}


def _asked(entry: Entry, names: Mapping[str, str]) -> str:
    """Who was asked, in turn, in words: the edge knows instances behind sockets by their number."""
    return ", ".join(f"{int(one) + 1}" if one.isdigit() else names.get(one, one) for one in entry.upstreams)


def _meant(upstream: str, pod: Pod) -> tuple[frozenset[str], ...]:
    """What each word of `upstream` may stand for in the log; see Filter.asked."""
    words = upstream.lower().removeprefix("the ").replace(",", " ").split()
    names = _instances(pod) if words else {}
    return tuple(frozenset(_alternatives(word, names)) for word in words)


def _alternatives(word: str, names: Mapping[str, str]) -> Iterator[str]:
    yield str(int(word) - 1) if word.isascii() and word.isdigit() else word
    if word == EDGE:
        yield ""
    yield from (address for address, name in names.items() if name == word)


def mark(at: Place) -> str:
    return f"{at[0]}.{at[1]}"


def place(text: str) -> Place | None:
    match = _PLACE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None
