"""Elixir: Phoenix and other Mix projects, started from a release where one can be made."""

from __future__ import annotations

import re

from apps.builds.detect import node_assets
from apps.builds.detect.detector import Detector, no_start, started
from apps.builds.detect.pins import NONE, pinned
from apps.builds.detect.plan import Overrides, Plan, Versions, caches
from apps.builds.detect.project import Project

_UNLOCKED = "There is no mix.lock: commit it to get the same versions every time."
_TOOLS = "mix local.hex --force --if-missing && mix local.rebar --force --if-missing"
_DEPENDENCY = re.compile(r"\{\s*:\w+\s*,|apps_path:")  # or applications beneath, which may have some


def _plan(project: Project, overrides: Overrides) -> Plan:
    text = project.text("mix.exs")
    phoenix = ":phoenix," in text or "{:phoenix " in text
    assets = project.beneath("assets") if project.has("assets/package.json") else project
    release = _release(text)
    kind, start = started(project, overrides, lambda _: _start(text, release, phoenix))
    deploys = re.search(r"""["']?assets\.deploy["']?\s*:""", text)
    node = node_assets.tools(assets)
    needs = project.has("mix.lock") or bool(_DEPENDENCY.search(re.sub(r"#[^\n]*", "", text)))
    return Plan(
        stack="elixir",
        framework="phoenix" if phoenix else "",
        kind=kind,
        manager="mix",
        versions=_version(project, text),
        tools=("elixir", *node),
        install=(_TOOLS, "mix deps.get --only prod") if needs else (),
        build=(
            *(("mix deps.compile",) if needs else ()),
            *node_assets.install(assets, "assets" if assets is not project else "", build=not deploys),
            "mix compile",
            *(("mix assets.deploy",) if deploys else ()),
            *(("mix release --overwrite",) if release else ()),
        ),
        start=start,
        output="priv/static" if kind == "static" else "",
        env={"MIX_ENV": "prod", "LANG": "C.UTF-8"} | ({"PHX_SERVER": "true"} if phoenix else {}),
        caches=caches("mix", *node_assets.cached(assets)),
        notes=() if project.has("mix.lock") or not needs else (_UNLOCKED,),
    )


def _release(text: str) -> str:
    """The release's name: the first that is declared, or the app's own."""
    if match := re.search(r"\breleases:\s*\[\s*([a-z_]\w*):", text):
        return match[1]
    umbrella = "apps_path:" in text
    match = re.search(r"\bapp:\s*:([a-z_]\w*)", text)
    runs = re.search(r"\bmod:\s*\{", text)
    return match[1] if match and runs and not umbrella else ""


def _start(text: str, release: str, phoenix: bool) -> str:
    if release:
        return f"_build/prod/rel/{release}/bin/{release} start"
    if phoenix or "apps_path:" in text:
        return "mix phx.server"
    if re.search(r"\bmod:\s*\{", text):
        return "mix run --no-halt"
    hint = "Name an application callback (`mod:`) or `releases:` in mix.exs, or set the start command of the app."
    raise no_start("Mix project: it starts nothing", hint)


def _version(project: Project, text: str) -> Versions:
    erlang = pinned(project, "erlang")
    more = {"erlang": erlang} if erlang else {}
    if found := pinned(project, "elixir", ".elixir-version"):
        return {"elixir": (found[0].partition("-otp")[0], found[1]), **more}
    if match := re.search(r"""\belixir:\s*["']([^"']+)["']""", text):
        return {"elixir": (match[1], "from mix.exs"), **more}
    return {"elixir": NONE, **more}


DETECTOR = Detector(
    name="elixir",
    title="Elixir",
    looks_for="mix.exs",
    matches=lambda project: project.has("mix.exs"),
    plan=_plan,
    carries=lambda _: frozenset({"node", "bun"}),
)
