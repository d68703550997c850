"""What a log's page and its address answer."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import RequestFactory

from apps.core.errors import Invalid
from apps.core.masking import Mask
from apps.logs.history import initial, respond
from apps.logs.writer import LogWriter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
HOSTILE = '</div><script>alert(1)</script><b onclick="x"> &amp; \x1b[31mred\x1b[0m'


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(context: dict[str, object]) -> Tags:
    tags = Tags()
    tags.feed(render_to_string("logs/_viewer.html", context, using="jinja2"))
    return tags


def test_lines_are_text_on_the_page_whatever_they_hold(stream: str) -> None:
    with LogWriter.open(stream, mask=Mask([])) as log:
        log.section('Build "x" <y>')
        log.line(HOSTILE, level="error")
    tags = page({"stream": stream, "log": initial(stream), "history_url": "/there/"})
    rows = [attributes for _, attributes in tags.found if attributes.get("class") == "log-row"]
    assert [(row["data-seq"], row["data-section"], row["data-level"]) for row in rows] == [
        ("1", 'Build "x" <y>', "error")
    ]
    assert HOSTILE in "".join(tags.texts)
    assert [attributes.get("type") for tag, attributes in tags.found if tag == "script"] == ["module"]
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on") or name == "style"]
    viewer = dict(tags.found)["log-viewer"]
    assert (viewer["data-stream"], viewer["data-url"], viewer["data-last"]) == (stream, "/there/", "1")
    assert viewer["data-socket"] == f"/ws/logs/{stream}/"


def test_a_page_that_gives_no_lines_still_has_a_viewer(stream: str) -> None:
    viewer = dict(page({"stream": stream}).found)["log-viewer"]
    assert (viewer["data-url"], viewer["data-last"], viewer["data-dropped"]) == ("", "0", "0")


def test_no_script_of_the_viewer_parses_markup_or_evaluates_text() -> None:
    scripts = sorted((settings.ROOT / "static" / "logs").glob("*.js"))
    assert {script.name for script in scripts} >= {"log-viewer.js", "feed.js", "rows.js", "search.js", "ansi.js"}
    unwanted = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\"style\"")
    assert not [script.name for script in scripts if unwanted.search(script.read_text())]


def test_the_address_answers_what_was_asked_for(stream: str, rf: RequestFactory) -> None:
    with LogWriter.open(stream, mask=Mask([])) as log:
        for number in range(1, 31):
            log.line(f"\x1b[32mnumber\x1b[0m {number}")

    def seqs(**query: object) -> list[int]:
        return [line[0] for line in json.loads(respond(rf.get("/", query), stream).content)["lines"]]

    assert seqs(before=11, limit=5) == [6, 7, 8, 9, 10]
    assert seqs(after=28) == [29, 30]
    assert seqs(limit=3) == [28, 29, 30]
    assert seqs(search="NUMBER 3") == [3, 30]
    for query in ({"before": "x"}, {"after": "-1"}, {"limit": "9" * 20}):
        with pytest.raises(Invalid):
            respond(rf.get("/", {"after": "0", **query}), stream)
    text = b"".join(respond(rf.get("/", {"download": "1"}), stream)).decode()
    assert [line.partition("Z ")[2] for line in text.splitlines()] == [f"number {number}" for number in range(1, 31)]
