"""What needs neither Railpack nor Docker: what it is told, what is read from its answers, what BuildKit is given.

`answers/` are Railpack's own, recorded for projects of tests/examples with versions of tools given by hand.
`python -m tests.builds.image.railpack.test_pure` writes what is made of them anew; `git diff` shows what changed.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from apps.builds.detect.plan import Overrides
from apps.builds.detect.project import Project
from apps.builds.failures import diagnose
from apps.builds.image import choice, cli
from apps.builds.image.railpack import config, frontend, program, reading, sandbox
from apps.builds.image.railpack.preparing import Prepared
from apps.core.errors import Invalid, UserError
from apps.engines.base import Finished
from apps.engines.process.binaries import Bubblewrap
from apps.engines.process.sandbox import Features
from apps.infrastructure.embedded import binaries

EXAMPLES = Path(__file__).parents[3] / "examples"
ANSWERS, GOLDEN = Path(__file__).parent / "answers", Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in ANSWERS.glob("*.json"))
BY_RAILPACK = Overrides(builder="railpack")
MIRROR = "railpack-frontend=r.example/rp:{version},*=r.example/hub/{image}"


def answer(case: str) -> Prepared:
    return Prepared(**json.loads((ANSWERS / f"{case}.json").read_text()))


def made(case: str) -> str:
    prepared = answer(case)
    given = frontend.Inputs("bp-scope", frozenset({"TOKEN", "GREETING"}), MIRROR, "-----BEGIN CERTIFICATE-----\n")
    plan = reading.read(prepared, Project(EXAMPLES / case), BY_RAILPACK)
    return json.dumps({"shown": asdict(plan), "built": frontend.complete(prepared.plan, given)}, indent=1) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_what_is_made_of_an_answer(case: str) -> None:
    assert made(case) == (GOLDEN / f"{case}.json").read_text()


@pytest.mark.parametrize("case", CASES)
def test_every_image_and_layer_is_the_apps_own_and_from_the_mirror(case: str) -> None:
    prepared = answer(case)
    before = json.dumps(prepared.plan)
    built = frontend.complete(prepared.plan, frontend.Inputs("bp-1", frozenset({"B", "A"}), MIRROR))
    assert json.dumps(prepared.plan) == before
    assert built["secrets"] == ["A", "B"]
    assert set(_images(built)) <= {f"r.example/hub/{name}" for name in _images(prepared.plan)}
    begun = [step for step in built["steps"] if "image" in step["inputs"][0]]
    assert begun
    for step in begun:
        first = step["commands"][0]
        assert step["assets"][first["name"]] == "bp-1"


def _images(held: Any) -> list[str]:
    if isinstance(held, dict):
        return [v for k, v in held.items() if k == "image"] + [n for v in held.values() for n in _images(v)]
    return [name for item in held for name in _images(item)] if isinstance(held, list) else []


def test_an_answer_of_an_odd_shape_is_read_as_far_as_it_goes() -> None:
    odd: dict[str, Any] = {"resolvedPackages": [1], "metadata": None, "detectedProviders": "x", "logs": None}
    plan = reading.read(Prepared("1", {"steps": "no", "caches": 3, "deploy": []}, odd), Project(EXAMPLES), BY_RAILPACK)
    assert (plan.stack, plan.start, plan.versions, plan.install) == ("railpack", "", {}, ())


def project(tmp_path: Path, **files: object) -> Project:
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return Project(tmp_path)


def test_the_dashboards_settings_beat_railpack_json(tmp_path: Path) -> None:
    theirs = {
        "provider": "node", "packages": {"jq": "1"}, "deploy": {"startCommand": "theirs", "paths": ["/x"]},
        "steps": {"build": {"commands": ["theirs"], "variables": {"A": "1"}}, "extra": {"commands": ["kept"]}},
    }  # fmt: skip
    given = replace(BY_RAILPACK, framework="go", build='it\'s "mine"', install="get $IT", start="serve")
    told = config.config(project(tmp_path, railpack=theirs), given)
    assert told["provider"] == "golang"
    assert told["deploy"] == {"startCommand": "serve", "paths": ["/x"]}
    assert told["packages"] == {"jq": "1"}
    assert told["steps"]["extra"] == {"commands": ["kept"]}
    assert told["steps"]["build"]["variables"] == {"A": "1"}
    copied, run = told["steps"]["build"]["commands"]
    assert copied == {"src": ".", "dest": "."}
    assert shlex.split(run["cmd"]) == ["sh", "-c", 'it\'s "mine"']
    assert shlex.split(told["steps"]["install"]["commands"][1]["cmd"])[-1] == "get $IT"


def test_brainpod_json_is_heard_and_the_dashboard_beats_it(tmp_path: Path) -> None:
    said = {"startCommand": "theirs", "build": {"buildCommand": "make"}, "versions": {"node": "20"}, "packages": ["jq"]}
    told = config.config(project(tmp_path, brainpod=said), replace(BY_RAILPACK, start="mine"))
    assert told["deploy"] == {"startCommand": "mine", "aptPackages": ["jq"]}
    assert (told["packages"], told["buildAptPackages"]) == ({"node": "20"}, ["jq"])
    assert told["steps"]["build"]["commands"][1]["customName"] == "make"


def test_nothing_said_is_no_file(tmp_path: Path) -> None:
    assert config.config(project(tmp_path), BY_RAILPACK) == {}
    with pytest.raises(UserError) as caught:
        config.config(project(tmp_path, railpack="{ nope"), BY_RAILPACK)
    assert caught.value.code == "manifest_invalid"


def test_another_file_is_read_and_never_one_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"provider": "node"}')
    app = tmp_path / "app"
    app.mkdir()
    (app / "link.json").symlink_to("../secret.json")
    here = project(app, other={"provider": "go"})
    for name, provider in (("other.json", "go"), ("link.json", None), ("../secret.json", None)):
        given = replace(
            BY_RAILPACK, variables={"RAILPACK_CONFIG_FILE": name, "RAILPACK_GO_VERSION": "1.2", "TOKEN": "x"}
        )
        assert config.config(here, given).get("provider") == provider
        assert config.variables(given) == {"RAILPACK_GO_VERSION": "1.2"}


def test_the_sandbox_sees_the_app_and_no_value_is_in_its_arguments(tmp_path: Path) -> None:
    bwrap = Bubblewrap(tmp_path / "b/bwrap", tmp_path / "b", (0, 11), Features(overlay=True, disable_userns=True))
    task = sandbox.Task(
        Path("/usr/local/bin/railpack"), Path("/a"), Path("/w"), Path("/m"), ("--env=RAILPACK_X",),
        {"RAILPACK_X": "value"},
    )  # fmt: skip
    words = sandbox.arguments(task, bwrap, lambda path: f"/mnt{path}", {})
    text = " ".join(words)
    assert "value" not in text
    assert words[-5:] == ["/opt/railpack", "prepare", "--hide-pretty-plan", "--env=RAILPACK_X", "/app"]
    for part in ("--ro-bind /mnt/a /app", "--bind /mnt/w /work", "--bind /mnt/m /tmp/railpack/mise", "--cap-drop ALL"):
        assert part in text
    writable = [words[i + 2] for i, word in enumerate(words) if word == "--bind"]
    assert writable == ["/tmp/railpack/mise", "/work"]


def test_the_frontend_is_of_the_version_that_planned() -> None:
    assert frontend.image("0.37.0", "") == "ghcr.io/railwayapp/railpack-frontend:v0.37.0"
    assert frontend.image("0.37.0", MIRROR) == "r.example/rp:0.37.0"
    assert frontend.image("0.37.0", "*=m/{image}") == "m/ghcr.io/railwayapp/railpack-frontend:v0.37.0"


def test_what_buildkit_is_asked_names_secrets_and_says_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hidden@proxy")
    request = cli.Request(
        "/src", "/x/railpack-plan.json", "bp-1", tag="a:1", frontend="r/rp:1",
        arguments=(("cache-key", "bp-1"), ("secrets-hash", "0f")),
    )  # fmt: skip
    words = cli.Client("/usr/bin/docker", buildx=True).command(request, {"TOKEN": 7})
    assert {"--build-arg=BUILDKIT_SYNTAX=r/rp:1", "--build-arg=cache-key=bp-1", "--build-arg=secrets-hash=0f",
            "--file=/x/railpack-plan.json", "--secret=id=TOKEN,src=/dev/fd/7"} <= set(words)  # fmt: skip
    assert "hidden" not in " ".join(words)


def test_steps_are_told_all_they_need_by_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    told = frontend.secrets({"A": "1", "not-a-name": "2", "PIP_CERT": "/own"}, True)
    assert told["HTTPS_PROXY"] == "http://proxy"
    assert told["NODE_EXTRA_CA_CERTS"] == "/etc/brainpod-ca.pem"
    assert (told["A"], told["PIP_CERT"]) == ("1", "/own")
    assert "not-a-name" not in told
    assert "NODE_EXTRA_CA_CERTS" not in frontend.secrets({}, False)


IMAGES, BUNDLES = {"image", "static"}, {"bundle", "static"}


@pytest.mark.parametrize(
    ("runs", "static", "ready", "chosen"),
    [
        (IMAGES, False, True, "railpack"),
        (IMAGES, True, True, "builder_unavailable"),
        (BUNDLES, False, True, "builder_unavailable"),
        (IMAGES, False, False, "builder_unavailable"),
    ],
)
def test_choice(runs: set[str], static: bool, ready: bool, chosen: str) -> None:
    try:
        found: str = choice.decide("railpack", runs, static=static, dockerfile=True, ready=ready)
    except Invalid as error:
        found = error.code if error.hint and error.details[0].path == "build.builder" else ""
    assert found == chosen


def test_a_daemon_that_takes_no_other_frontend_is_named() -> None:
    choice.check_daemon("23.0.6", "1.42")
    choice.check_daemon("dev", "1.52")
    for version, api in (("20.10.24+dfsg1", "1.41"), ("", "")):
        with pytest.raises(Invalid) as caught:
            choice.check_daemon(version, api)
        assert (caught.value.code, caught.value.details[0].path) == ("builder_unavailable", "build.builder")


def test_a_machine_without_railpack_says_so_and_names_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BRAINPOD_RAILPACK_BINARY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _missing() == ("builder_unavailable", "build.builder")
    railpack = tmp_path / "railpack"
    railpack.write_text("#!/bin/sh\necho railpack version 0.30.2\n")
    railpack.chmod(0o755)
    assert _missing() == ("railpack_too_old", "build.builder")
    binaries.version_of.cache_clear()
    railpack.write_text("#!/bin/sh\necho railpack version 0.37.0\n")
    assert (program.find().version, program.find().path) == ("0.37.0", railpack)


def _missing() -> tuple[str, str]:
    with pytest.raises(Invalid) as caught:
        program.find()
    assert caught.value.hint
    return caught.value.code, caught.value.details[0].path


def test_what_railpack_prints_is_told_by_its_name() -> None:
    said = "Railpack could not determine how to build the app."
    assert diagnose("detect", [said], Finished(1)).entry.code == "no_framework_detected"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in CASES:
        (GOLDEN / f"{name}.json").write_text(made(name))
