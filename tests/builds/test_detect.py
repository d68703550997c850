"""Every project of tests/examples gives the plan in tests/builds/plans.

To look at plans after a change: `python -m tests.builds.test_detect` writes them anew, `git diff` shows what changed.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.builds.detect import detect
from apps.builds.detect.plan import Overrides
from apps.core.errors import Invalid, UserError

EXAMPLES = Path(__file__).parent.parent / "examples"
PLANS = Path(__file__).parent / "plans"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


def as_text(name: str) -> str:
    return json.dumps(asdict(detect(EXAMPLES / name)), indent=2) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_plan_of_example(name: str) -> None:
    assert as_text(name) == (PLANS / f"{name}.json").read_text()


def test_every_plan_has_its_example() -> None:
    assert sorted(path.stem for path in PLANS.glob("*.json")) == NAMES
    assert len(NAMES) >= 25


def project(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


NOTHING = {"README.md": "x"}
FLASK = {"requirements.txt": "flask", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}
SERVER = {"package.json": '{"scripts": {"start": "node a.js"}, "dependencies": {"x": "1"}}'}
DJANGO = {"requirements.txt": "django", "manage.py": "'DJANGO_SETTINGS_MODULE', 'shop.settings'", "shop/wsgi.py": ""}


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({}, "no_framework_detected", "root directory"),
        (NOTHING, "no_framework_detected", "requirements.txt"),
        ({"Dockerfile": "FROM x"}, "no_framework_detected", "Dockerfile"),
        ({**FLASK, **SERVER}, "multiple_builders_matched", "Set the framework"),
        ({"package.json": "{"}, "manifest_invalid", "package.json"),
        ({"package.json": "[]"}, "manifest_invalid", "not an object"),
        ({"pyproject.toml": "= nothing"}, "manifest_invalid", "pyproject.toml"),
        ({"package.json": "{}"}, "no_start_command", "start"),
        ({"requirements.txt": "requests"}, "no_start_command", "Procfile"),
        (DJANGO, "no_start_command", "gunicorn"),
        ({"requirements.txt": "flask"}, "no_start_command", "no Flask object"),
        ({"requirements.txt": "fastapi", "main.py": "x = FastAPI()"}, "no_start_command", "uvicorn"),
        ({"pdm.lock": "", "pyproject.toml": ""}, "missing_build_tool", "pdm export"),
        ({"pyproject.toml": "[tool.poetry]\n"}, "lockfile_out_of_sync", "poetry lock"),
        ({"Pipfile": "[packages]\n"}, "lockfile_out_of_sync", "pipenv lock"),
        ({"uv.lock": ""}, "lockfile_out_of_sync", "pyproject.toml"),
        ({"package.json": '{"packageManager": "zzz@1", "main": "a.js"}', "a.js": ""}, "missing_build_tool", "zzz"),
        ({"Staticfile": "root: nowhere"}, "no_output_directory", "nowhere"),
    ],
)
def test_failures_say_what_to_do(tmp_path: Path, files: dict[str, str], code: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        detect(project(tmp_path, files))
    assert caught.value.code == code
    assert caught.value.hint
    assert said in str(caught.value)


def test_settings_win_over_what_is_found(tmp_path: Path) -> None:
    root = project(tmp_path, {**FLASK, **SERVER})
    assert detect(root, Overrides(framework="node")).start == "node a.js"
    plan = detect(root, Overrides(framework="python", start="python app.py", build="make", install="make deps"))
    assert (plan.start, plan.build, plan.install[1:], plan.lockfiles) == (
        "python app.py",
        ("make",),
        ("make deps",),
        (".",),
    )
    with pytest.raises(UserError, match="no builder cobol"):
        detect(root, Overrides(framework="cobol"))


def test_kinds_from_settings() -> None:
    assert detect(EXAMPLES / "python-flask-procfile", Overrides(kind="worker")).start == "python jobs.py"
    assert detect(EXAMPLES / "node-worker", Overrides(kind="worker")).start == "node w.js --all"
    assert detect(EXAMPLES / "vite", Overrides(kind="web")).kind == "static"
    plan = detect(EXAMPLES / "vite", Overrides(kind="web", start="vite preview"))
    assert (plan.kind, plan.start) == ("web", "vite preview")
    plan = detect(EXAMPLES / "node-typescript", Overrides(kind="static", output="site"))
    assert (plan.kind, plan.output, plan.start) == ("static", "site", "")


def test_a_missing_start_command_can_be_given(tmp_path: Path) -> None:
    root = project(tmp_path, {"requirements.txt": "requests"})
    assert detect(root, Overrides(start="python -m x")).start == "python -m x"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "/proc/self/environ"])
def test_links_out_of_the_repository_are_not_read(tmp_path: Path, target: str) -> None:
    project(tmp_path, {"outside": "flask", "repo/README": ""})
    (tmp_path / "repo/requirements.txt").symlink_to(target)
    with pytest.raises(UserError) as caught:
        detect(tmp_path / "repo")
    assert caught.value.code == "no_framework_detected"


def test_includes_that_lead_out_or_round_are_left(tmp_path: Path) -> None:
    project(tmp_path, {"secret": "flask", "repo/requirements.txt": "-r ../secret\n-r a.txt", "repo/main.py": ""})
    project(tmp_path, {"repo/a.txt": "-r requirements.txt\n-r /etc/passwd\nhttpx"})
    plan = detect(tmp_path / "repo")
    assert plan.lockfiles == ("requirements.txt", "a.txt")
    assert plan.framework == ""


@pytest.mark.parametrize("root", ["../out", "/etc", "a/../..", "-x", "~root", "a\\b", "a\tb", "x" * 401])
def test_staticfile_roots_that_lead_out(tmp_path: Path, root: str) -> None:
    with pytest.raises((Invalid, UserError)):
        detect(project(tmp_path, {"Staticfile": f"root: {root}\n"}))


def test_names_that_would_be_shell_words_are_not_used(tmp_path: Path) -> None:
    files = {"requirements.txt": "flask", "a; id.py": "from flask import Flask\napp = Flask(__name__)\n"}
    with pytest.raises(UserError) as caught:
        detect(project(tmp_path, files))
    assert caught.value.code == "no_start_command"
    assert (
        detect(project(tmp_path / "n", {"package.json": '{"main": "x; id"}', "index.js": ""})).start == "node index.js"
    )


def test_command_shows_the_plan_and_the_failure(tmp_path: Path) -> None:
    out = StringIO()
    call_command("detect", str(EXAMPLES / "python-flask-gunicorn"), "--json", stdout=out)
    shown = json.loads(out.getvalue())
    keys = {"stack", "framework", "kind", "versions", "install", "build", "start", "output", "caches"}
    assert shown.keys() == keys
    assert shown["versions"] == {"python": ["3.11", "from .python-version"]}
    out = StringIO()
    with pytest.raises(CommandError, match="no_framework_detected"):
        call_command("detect", str(tmp_path), "--json", stdout=out)
    assert json.loads(out.getvalue())["error"]["code"] == "no_framework_detected"


if __name__ == "__main__":
    PLANS.mkdir(exist_ok=True)
    for example in NAMES:
        (PLANS / f"{example}.json").write_text(as_text(example))
