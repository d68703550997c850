"""Events between the lines: stages that begin and end, on the same stream as the log and in everything made of it."""

from __future__ import annotations

import json

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from apps.core.masking import MASK, Mask
from apps.logs import reader
from apps.logs.history import initial, respond
from apps.logs.lines import EVENT, Line
from apps.logs.stages import encode_event, words
from apps.logs.writer import LogWriter

CLONE = {"title": "Clone", "app": "web", "stage": "clone"}


def told(**fields: object) -> str:
    return words(encode_event({"kind": "stage", "title": "Clone", "app": "web", "note": "", "seconds": None} | fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": "running"}, "── Clone · web"),
        ({"state": "passed", "seconds": 0.4}, "── Clone · web passed in 0.4 s"),
        ({"state": "failed", "seconds": 75, "note": "It broke."}, "── Clone · web failed in 1 min 15 s"),
        ({"state": "skipped", "note": "It is there."}, "── Clone · web skipped: It is there."),
        ({"state": "skipped"}, "── Clone · web skipped"),
        ({"title": "Deployment", "app": "", "state": "ready", "seconds": 12}, "── Deployment ready in 12 s"),
    ],
)
def test_in_words(fields: dict[str, object], expected: str) -> None:
    assert told(**fields) == expected


@pytest.mark.parametrize(
    "text", ["", "no json", "[1]", "{}", '"x"', '{"state": "passed", "title": "x", "seconds": "y"}']
)
def test_what_is_no_event_stays_as_it_is(text: str) -> None:
    assert words(text) == text


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
class TestStream:
    def test_events_stand_among_the_lines(self, stream: str, rf: RequestFactory) -> None:
        with LogWriter.open(stream, mask=Mask([])) as log:
            log.section("Clone · web")
            log.stage(**CLONE, state="running")
            log.line("Cloning app.git")
            log.stage(**CLONE, state="passed", seconds=0.4, note="c1")
            log.stage(title="Build", app="api", stage="build", state="skipped", note="It serves.")
            log.line("still of the clone")
            log.ended("ready", seconds=12)
        lines = reader.read(stream)
        assert [line.seq for line in lines] == [1, 2, 3, 4, 5, 6]
        assert [(line.level, line.section) for line in lines] == [
            (EVENT, "Clone · web"), ("info", "Clone · web"), (EVENT, "Clone · web"), (EVENT, "Build · api"),
            ("info", "Clone · web"), (EVENT, "Deployment"),
        ]  # fmt: skip
        said = json.loads(lines[2].text)
        assert said == {"kind": "stage", **CLONE, "state": "passed", "seconds": 0.4, "note": "c1"}
        text = b"".join(respond(rf.get("/", {"download": "1"}), stream)).decode()
        assert [line.partition("Z ")[2] for line in text.splitlines()] == [
            "── Clone · web", "[Clone · web] Cloning app.git", "── Clone · web passed in 0.4 s",
            "── Build · api skipped: It serves.", "[Clone · web] still of the clone", "── Deployment ready in 12 s",
        ]  # fmt: skip
        assert [line.seq for line in reader.search(stream, "CLON")] == [2, 5], "a search finds what was written"
        page = render_to_string("logs/_viewer.html", {"stream": stream, "log": initial(stream)}, using="jinja2")
        assert ">── Clone · web passed in 0.4 s</div>" in page
        assert 'data-event="{&#34;kind&#34;:&#34;stage&#34;' in page

    def test_an_event_stays_whole_whatever_is_masked(self, stream: str) -> None:
        secrets = ['"state"', "running", "stage", 'to"ken\nof two lines', "passed"]
        with LogWriter.open(stream, mask=Mask(secrets)) as log:
            log.line("before running")
            log.stage(**CLONE, state="passed", seconds=1, note='saw to"ken\nof two lines and \x1b[31mred')
        lines = reader.read(stream)
        assert lines[0].text == f"before {MASK}"
        said = json.loads(lines[1].text)
        assert (said["state"], said["note"]) == ("passed", f"saw {MASK} and \x1b[31mred")

    def test_an_unfinished_line_is_finished_before_an_event(self, stream: str) -> None:
        with LogWriter.open(stream, mask=Mask([])) as log:
            log.write("half a")
            log.stage(**CLONE, state="running")
            log.write(" line\n")
        assert [(line.level, line.text) for line in reader.read(stream) if line.level != EVENT] == [
            ("info", "half a"), ("info", " line")
        ]  # fmt: skip

    def test_what_is_printed_is_never_an_event(self, stream: str) -> None:
        forged = encode_event({"kind": "stage", **CLONE, "state": "passed"})
        with LogWriter.open(stream, mask=Mask([])) as log:
            log.line(forged)
            with pytest.raises(ValueError, match="level"):
                log.line(forged, level=EVENT)
        assert reader.read(stream) == [Line(1, reader.read(stream)[0].at, "", "info", forged)]
