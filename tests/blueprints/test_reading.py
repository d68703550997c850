"""Blueprints as data: those that are shipped hold, bad ones are refused at their line, values stay values."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.blueprints import catalogue
from apps.blueprints.inputs import Input
from apps.blueprints.patterns import compiled
from apps.blueprints.reading import read_blueprint
from apps.builds.detect import detect
from apps.core.errors import Invalid
from apps.manifests.export import dumped
from apps.manifests.problems import FileRefused
from tests.blueprints.conftest import EVERY

BAD: list[dict[str, str]] = json.loads(Path(__file__).with_name("bad_blueprints.json").read_text())
FILES = sorted(catalogue.folder().glob("*.yaml"))
ADDRESS = {"web": "brainpod:home/shop/web", "worker": "brainpod:home/shop/web"}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["why"])
def test_a_bad_one_is_refused_at_its_line(case: dict[str, str]) -> None:
    with pytest.raises(FileRefused) as caught:
        read_blueprint(case["text"])
    assert str(caught.value) == case["error"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_shipped_holds(path: Path) -> None:
    found = catalogue.read_file(path)
    assert found.name == path.stem
    assert found.tagline
    assert found.description
    assert found.tags
    for app, source in found.sources.items():
        assert source.of or source.folder == path.with_suffix("") / "web", app
        if source.folder:
            assert detect(source.folder).start or detect(source.folder).kind == "static"
            assert not list(source.folder.rglob(".git"))
            lock = source.folder / "package-lock.json"
            assert lock.exists() or not (source.folder / "package.json").exists(), "what npm installs is pinned"
            if lock.exists():
                assert '"resolved"' not in lock.read_text(), "no registry is named: whichever there is will do"


def test_every_shipped_one_is_in_the_document() -> None:
    text = (catalogue.folder().parent / "docs" / "blueprints.md").read_text()
    for path in FILES:
        assert f"`{path.stem}`" in text


def filled(**given: Any) -> dict[str, Any]:
    found = read_blueprint(EVERY)
    values = found.answers({"title": "x"} | given)
    manifest = found.manifest(values, team="home", address=ADDRESS)
    return {one.name: dict(one.spec) for one in manifest.resources} | {"": found.secrets(values)}


def test_what_is_given_stands_where_it_is_asked_for() -> None:
    got = filled(title="Tom", host="www.example.com", size="5", fast=True, key="k" * 9)
    assert got["settings"]["variables"] == [
        {"name": "TITLE", "value": "The title is Tom."}, {"name": "FAST", "value": "true"},
    ]  # fmt: skip
    assert got["site"]["domains"] == ["www.example.com"]
    assert got["data"] == {"size": "5"}
    assert got[""] == {("settings", "KEY"): "k" * 9}
    assert got["web"]["source"] == {"repo": "brainpod:home/shop/web", "branch": "main"}
    assert got["worker"]["source"]["repo"] == "brainpod:home/shop/web"


def test_what_is_left_empty_is_left_out_and_secrets_are_made_up() -> None:
    got, again = filled(), filled()
    assert got["site"]["domains"] == []
    assert got["settings"]["variables"][1]["value"] == "false"
    assert len(got[""]["settings", "KEY"]) == 40
    assert got[""] != again[""]


NASTY = [
    "a: b",
    "{x: 1}",
    "'\"",
    "- x",
    "&a *a",
    "!!python/name:os.system",
    "{{ inputs.key }}",
    "#",
    "%s",
    "\\n",
    "null",
]


@pytest.mark.parametrize("value", NASTY)
def test_a_value_is_never_read_as_yaml(value: str) -> None:
    got = filled(title=value)
    assert got["settings"]["variables"][0]["value"] == f"The title is {value}."
    assert set(got) == {"settings", "data", "web", "worker", "site", ""}
    assert dumped(got["settings"])


@settings(max_examples=40)
@given(st.text(max_size=60))
def test_any_text_is_taken_as_it_is_or_refused(value: str) -> None:
    try:
        got = filled(title=value)
    except Invalid as error:
        wrong = {one.path for one in error.details}
    else:
        wrong = {"title"}
        assert got["settings"]["variables"][0]["value"] == f"The title is {value.strip()}."
    assert wrong == {"title"}


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ({}, "title", "must be given"),
        ({"title": "  "}, "title", "must be given"),
        ({"title": "<b>"}, "title", "must match"),
        ({"title": "a\nb"}, "title", "one line"),
        ({"title": "x" * 2001}, "title", "at most 2000"),
        ({"title": "${db.password}"}, "title", "${"),
        ({"title": 3}, "title", "must be text"),
        ({"title": ["x"]}, "title", "must be text"),
        ({"title": "x", "size": "7"}, "size", "one of 5, 10"),
        ({"title": "x", "host": "http://x"}, "host", "http"),
        ({"title": "x", "host": "a b"}, "host", ""),
        ({"title": "x", "fast": "yes"}, "fast", "true or false"),
        ({"title": "x", "fast": 1}, "fast", "true or false"),
        ({"title": "x", "key": "a\x00b"}, "key", "control"),
        ({"title": "x", "other": "y"}, "other", "nothing that this blueprint asks"),
    ],
)
def test_a_bad_answer_names_its_input(given: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_blueprint(EVERY).answers(given)
    assert [one.path for one in caught.value.details] == [path]
    assert words in caught.value.details[0].message


def test_no_pattern_takes_long() -> None:
    one = Input("x", "X", pattern="[a-z]*[a-z0-9]*b")
    began = time.process_time()
    with pytest.raises(Invalid):
        one.taken("a" * 2000)
    assert time.process_time() - began < 5
    for wrong in ("(a+)+", "a|b", "a*a*a*", "(?=a)", r"(a)\1", "a{1,9}b{1,9}c{1,9}", "[", "a**", r"\1", "^a"):
        assert isinstance(compiled(wrong), str), wrong
    for fine in ("[a-z]{3}", "[^@ ]+@[^@ ]+", r"\d{4}-\d{2}", r"https?://[A-Za-z0-9.:-]+", "[0-9a-f]{32,64}"):
        assert not isinstance(compiled(fine), str), fine
