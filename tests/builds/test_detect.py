"""Every project of tests/examples gives the plan in tests/builds/plans.

To look at plans after a change: `python -m tests.builds.test_detect` writes them anew, `git diff` shows what changed.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.builds.detect import DETECTORS, detect
from apps.builds.detect.plan import Overrides
from apps.core.errors import Invalid, UserError

EXAMPLES = Path(__file__).parent.parent / "examples"
PLANS = Path(__file__).parent / "plans"
# Apps that are not at the root of their repository.
MEMBERS = (
    ("bun-workspace", "packages/server"), ("dotnet-solution", "src/Shop.Api"), ("go-workspace", "services/api"),
    ("java-gradle-subprojects", "server"), ("java-maven-modules", "web"), ("monorepo-cycle", "packages/a"),
    ("monorepo-npm", "apps/api"), ("monorepo-npm", "apps/web"), ("monorepo-nx", "apps/shop"),
    ("monorepo-pnpm", "apps/web"), ("monorepo-turbo", "apps/docs"), ("monorepo-turbo", "apps/web"),
    ("monorepo-yarn-berry", "services/api"), ("python-uv-workspace", "packages/api"), ("rust-workspace", "crates/web"),
    ("rust-workspace", "crates/old"),
)  # fmt: skip
CASES = {path.name: (path.name, "") for path in sorted(EXAMPLES.iterdir()) if path.is_dir()} | {
    f"{name}+{place.replace('/', '-')}": (name, place) for name, place in MEMBERS
}


def as_text(case: str) -> str:
    """The plan, or the name of the failure: its words may quote a parser that words it otherwise elsewhere."""
    name, place = CASES[case]
    try:
        found = asdict(detect(EXAMPLES / name / place, repository=EXAMPLES / name))
    except UserError as error:
        found = {"error": error.code}
    return json.dumps(found, indent=2) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_plan_of_example(case: str) -> None:
    assert as_text(case) == (PLANS / f"{case}.json").read_text()


def test_every_plan_has_its_example() -> None:
    assert {path.stem for path in PLANS.glob("*.json")} == set(CASES)
    assert len(CASES) >= 90


def test_every_stack_and_framework_of_the_table_has_an_example() -> None:
    plans = [json.loads((PLANS / f"{case}.json").read_text()) for case in CASES]
    stacks = {plan.get("stack") for plan in plans}
    assert stacks >= {detector.name for detector in DETECTORS} | {"docker"}
    sites = {plan["framework"] for plan in plans if plan.get("kind") == "static"}
    assert sites >= {
        "vite", "astro", "next", "nuxt", "gatsby", "docusaurus", "create-react-app", "sveltekit", "remix",
        "react-router", "eleventy", "hugo", "jekyll", "mkdocs", "vitepress", "angular", "",
    }  # fmt: skip
    managers = {plan.get("manager") for plan in plans}
    assert managers >= {"npm", "pnpm", "yarn", "bun", "pip", "poetry", "uv", "pipenv", "pdm"}
    assert {plan.get("error") for plan in plans} >= {
        "no_framework_detected", "multiple_builders_matched", "manifest_invalid", "no_start_command",
    }  # fmt: skip


def test_detection_is_quick() -> None:
    began = time.perf_counter()
    for case in CASES:
        as_text(case)
    assert (time.perf_counter() - began) / len(CASES) < 0.3  # seconds; 2 to 3 ms on a quiet machine


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
        ({**FLASK, **SERVER}, "multiple_builders_matched", "Set the framework"),
        ({"package.json": "{"}, "manifest_invalid", "package.json"),
        ({"package.json": "[]"}, "manifest_invalid", "not an object"),
        ({"pyproject.toml": "= nothing"}, "manifest_invalid", "pyproject.toml"),
        ({"package.json": "{}"}, "no_start_command", "start"),
        ({"requirements.txt": "requests"}, "no_start_command", "Procfile"),
        (DJANGO, "no_start_command", "gunicorn"),
        ({"requirements.txt": "flask"}, "no_start_command", "no Flask object"),
        ({"requirements.txt": "fastapi", "main.py": "x = FastAPI()"}, "no_start_command", "uvicorn"),
        ({"pyproject.toml": "[tool.poetry]\n"}, "lockfile_out_of_sync", "poetry lock"),
        ({"Pipfile": "[packages]\n"}, "lockfile_out_of_sync", "pipenv lock"),
        ({"uv.lock": ""}, "lockfile_out_of_sync", "pyproject.toml"),
        ({"package.json": '{"packageManager": "zzz@1", "main": "a.js"}', "a.js": ""}, "unknown_package_manager", "zzz"),
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
    for stale in PLANS.glob("*.json"):
        stale.unlink()
    for example in CASES:
        (PLANS / f"{example}.json").write_text(as_text(example))
