"""Kinds: what a spec becomes, and what is refused with the field named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.pods import kinds
from apps.pods.kinds.base import dig
from tests.pods.specs import APP, REPO, app

BAD = json.loads(Path(__file__).with_name("bad_specs.json").read_text())


def _expand(value: Any) -> Any:
    if isinstance(value, dict) and "$repeat" in value:
        start, piece, times = value["$repeat"]
        return start + piece * times
    if isinstance(value, dict):
        return {key: _expand(inner) for key, inner in value.items()}
    return [_expand(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", BAD, ids=[f"{i}-{case['kind']}-{case['field'][:30]}" for i, case in enumerate(BAD)])
def test_bad_specs_are_refused_and_the_field_is_named(case: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        kinds.get(case["kind"]).parse(_expand(case["spec"]), team="home")
    assert case["field"] in [detail.path for detail in caught.value.details]
    assert all(detail.message.endswith((".", "?")) for detail in caught.value.details)


def test_the_corpus_is_large() -> None:
    assert len(BAD) >= 120


def test_defaults_are_filled_in_and_parsing_again_changes_nothing() -> None:
    spec = kinds.APP.parse(APP)
    assert spec["replicas"] == 1
    assert spec["healthCheckPath"] == "/"
    assert spec["build"]["cache"] is True
    assert kinds.APP.parse(spec) == spec


def test_railpack_needs_its_program_and_an_engine_for_images(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fields(**build: str) -> list[str]:
        try:
            kinds.APP.parse(app(build={"builder": "railpack", **build}))
        except Invalid as error:
            return [detail.path for detail in error.details]
        return []

    monkeypatch.setenv("BRAINPOD_RAILPACK_BINARY", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engine="process", builds=True)
    assert fields() == ["build.builder"]
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, engine="docker")
    assert fields() == ["build.builder"]
    monkeypatch.setenv("BRAINPOD_RAILPACK_BINARY", str(tmp_path / "railpack"))
    assert fields() == []
    assert fields(framework="go") == []
    assert fields(framework="hugo") == ["build.framework"]
    with pytest.raises(Invalid) as caught:
        kinds.APP.parse(app(type="static", startCommand="", build={"builder": "railpack"}))
    assert "build.builder" in [detail.path for detail in caught.value.details]
    monkeypatch.setenv("BRAINPOD_RAILPACK_BINARY", "")
    settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, builds=False)
    assert fields() == [], "another machine builds, and may have it"


def test_scaling_is_refused_in_the_words_of_the_public_reference() -> None:
    def words(**given: Any) -> str:
        with pytest.raises(Invalid) as caught:
            kinds.APP.parse(app(scaling="auto", **given))
        return str(caught.value)

    assert "For auto-scaling to work, max instances must be greater than min instances." in words(maxReplicas=1)
    assert "Only 1 replica is allowed for this instance" in words(instance=".5x")
    assert kinds.APP.parse(app(scaling="auto", type="worker"))["maxReplicas"] == 3
    old = {
        key: value for key, value in kinds.APP.parse(app()).items() if not key.startswith(("scal", "sleep", "target"))
    }
    assert (kinds.APP.read(old).scaling, kinds.APP.read(old).sleepAfter) == ("fixed", 0), "stored ones stay readable"


def test_values_are_kept_to_the_byte() -> None:
    value = "  $HOME ${x} $${a.b}\n'\"\\ é\t\r\n"
    assert kinds.APP.parse(app(env=[{"name": "A", "value": value}]))["env"][0]["value"] == value


def test_rules_come_longest_first_with_slashes() -> None:
    spec = kinds.ROUTE.parse(
        {"rules": [{"app": "web"}, {"path": "/api/v1", "app": "api"}, {"path": "/api", "app": "api"}]}
    )
    assert [rule["path"] for rule in spec["rules"]] == ["/api/v1/", "/api/", "/"]


def test_a_disk_never_shrinks() -> None:
    kinds.DISK.check_change({"size": 10}, {"size": 20})
    with pytest.raises(Invalid, match="size: must be at least 20"):
        kinds.DISK.check_change({"size": 20}, {"size": 10})


def test_errors_do_not_repeat_values() -> None:
    with pytest.raises(Invalid) as caught:
        kinds.APP.parse(app(env=[{"name": "1A", "value": "hunter2-secret"}], startCommand=["hunter2-secret"]))
    assert "hunter2" not in str(caught.value)


def test_a_hosted_repository_of_another_team_is_refused() -> None:
    hosted = {"source": {"repo": "brainpod:home/shop"}}
    assert kinds.APP.parse(hosted, team="home")["source"]["repo"] == "brainpod:home/shop"
    with pytest.raises(Invalid, match=r"source\.repo"):
        kinds.APP.parse(hosted, team="away")


@pytest.mark.parametrize("kind", kinds.every(), ids=lambda kind: kind.name)
def test_every_field_of_a_form_is_one_of_the_spec(kind: kinds.Kind[Any]) -> None:
    blank = kind.blank()
    for field in kind.form:
        assert field.aside or dig(blank, field.path) is not None, field.path
        assert all(dig(blank, path) is not None for path, _ in field.when)
    assert len({field.path for field in kind.form}) == len(kind.form)


def test_hidden_fields_are_pruned() -> None:
    pruned = kinds.APP.prune(app(type="static", startCommand="serve", replicas=3, build={"outputDir": "dist"}))
    assert kinds.APP.parse(pruned)["build"]["outputDir"] == "dist"
    assert "startCommand" not in pruned


@pytest.mark.parametrize("memory", [-1, 255, 16385])
def test_build_memory_has_its_bounds(memory: int) -> None:
    with pytest.raises(Invalid, match=r"build\.memory"):
        kinds.APP.parse(app(build={"memory": memory}))
    assert kinds.APP.parse(app(build={"memory": 16384}))["build"]["memory"] == 16384


def test_references_name_what_a_spec_needs() -> None:
    mounts = [{"path": "/data", "disk": "data"}, {"path": "/conf", "config": "files", "file": "a.txt"}]
    spec = kinds.APP.read(kinds.APP.parse(app(configs=["settings"], mounts=mounts)))
    assert kinds.APP.references(spec) == {"settings", "data", "files"}
    assert spec.source.repo == REPO


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(Invalid, match="App, Route, Config, Disk"):
        kinds.get("Lambda")
