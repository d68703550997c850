"""Files of other tools, as they are found in repositories: what becomes of them, and what is said of the rest.

`python -m tests.manifests.expect` writes what is expected anew; `git diff` shows what has changed.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from apps.core.errors import UserError
from apps.manifests.importing import convert, format_of
from apps.manifests.problems import FileRefused
from apps.manifests.reading import parse

EXAMPLES = sorted(place for place in (Path(__file__).parent / "examples").iterdir() if place.is_dir())
REPO = "https://github.com/example/app.git"


def made(place: Path) -> tuple[str, str]:
    """The manifest, and the report."""
    files = {format_of(path.name): path.read_text() for path in place.iterdir() if format_of(path.name)}
    found = convert(files, repo=REPO, branch="main")
    return found.text, "".join(f"{item}\n" for item in found.report)


@pytest.mark.parametrize("place", EXAMPLES, ids=lambda place: place.name)
def test_examples(place: Path) -> None:
    text, report = made(place)
    assert text == (place / "expected.yaml").read_text()
    assert report == (place / "report.txt").read_text()
    parse(text, team="home")


def test_there_are_many() -> None:
    assert len(EXAMPLES) >= 25


@pytest.mark.parametrize("place", EXAMPLES, ids=lambda place: place.name)
def test_values_of_secrets_stand_nowhere(place: Path) -> None:
    text, report = made(place)
    for value in ("hello_django\n", "somewordpress", "insecure", "apppw"):
        assert value not in text.replace("hello_django_dev", "")
        assert value not in report


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"compose": "a: b"}, "must have services"),
        ({"compose": "services: [a]"}, "must have services"),
        ({"compose": ""}, "is empty"),
        ({"compose": "a: ["}, "line "),
        ({"app_json": "[]"}, "must be an object"),
        ({"app_json": '{"env": {"A": 1, "A": 2}}'}, "A stands here twice"),
        ({"compose": "services: {}", "procfile": "web: x"}, "comes alone"),
        ({}, "comes alone"),
    ],
)
def test_what_is_none_is_refused(files: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        convert(files, repo=REPO)
    assert caught.value.status == 422


ODD = Path(__file__).with_name("odd_services.txt").read_text().splitlines()


@pytest.mark.parametrize("service", ODD)
def test_what_makes_no_sense_breaks_nothing(service: str) -> None:
    with contextlib.suppress(FileRefused):
        convert({"compose": f"services: {{s: {service}}}"}, repo=REPO)


@pytest.mark.parametrize("key", ["env", "addons", "formation", "buildpacks", "scripts", "repository"])
@pytest.mark.parametrize(
    "value", ["x", "[]", "{}", "[[]]", "[{}]", "{a: []}", "{a: {}}", "{web: {size: []}}", "{A: {value: {}}}"]
)
def test_nor_does_an_odd_app_json(key: str, value: str) -> None:
    convert({"app_json": f"{{{key}: {value}}}"}, repo=REPO)
