"""Running one command of a build in the sandbox, and saying what went wrong if it did."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from apps import engines
from apps.builds import bundle
from apps.builds.detect import plan
from apps.builds.failures import explain
from apps.builds.stages.bounds import Bounds
from apps.builds.stages.room import Room
from apps.builds.toolchains import Toolchain
from apps.core.ids import new_id
from apps.engines.base import APP, Finished, Mount, RunSpec

DEPS = bundle.DEPS
CACHE = plan.CACHE
TEMPORARY = "/layers/tmp"
_TAIL = 200
# Before a command line: what only the sandbox knows, the way out, told to the tools that do not read HTTPS_PROXY.
_PRELUDE = """if [ -n "$HTTPS_PROXY" ]; then
  export YARN_HTTP_PROXY="$HTTP_PROXY" YARN_HTTPS_PROXY="$HTTPS_PROXY"
  way="-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=${HTTP_PROXY##*:}"
  way="$way -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=${HTTPS_PROXY##*:}"
  export MAVEN_OPTS="$way $MAVEN_OPTS" GRADLE_OPTS="$way $GRADLE_OPTS"
fi
# What tools keep beneath node_modules outlives the layer's overlay in another place (caching/intermediates.py).
for name in $BRAINPOD_MODULE_CACHES; do
  [ -e "$name" ] || ln -s "$TMPDIR/.modules/$name" "$name" 2>/dev/null
done
unset BRAINPOD_MODULE_CACHES
exec sh -c "$1"
"""
# Where the machine keeps its certificates, for tools that do not look there by themselves.
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "PIP_CERT")


def run(
    room: Room,
    stage: str,
    command: str | tuple[str, ...],
    *,
    root: str,
    env: Mapping[str, str],
    tools: Toolchain,
    mounts: Sequence[Mount],
    links: tuple[tuple[str, str], ...] = (),
    quiet: bool = False,
) -> Finished:
    """Run `command` (text is the user's, for `sh -c`) in the app's directory, writable, at /app.

    Raises UserError with the cause read from the output, Interrupted. `quiet`: no output, any exit code will do.
    """
    room.check()
    tail: deque[str] = deque(maxlen=_TAIL)

    def on_line(line: str) -> None:
        tail.append(line)
        bounds.printed(line)
        if not quiet:
            room.write(line)

    if isinstance(command, str):
        room.write(f"$ {command}")
        command = ("sh", "-c", _PRELUDE, "sh", command)
    spec = RunSpec(
        id=new_id(),
        pod=room.pod,
        command=command,
        env={**_certificates(), **tools.env, **env, **own_variables()},
        mounts=(
            Mount(str(room.app(root)), APP, "write"),
            Mount(str(room.directory("tmp")), TEMPORARY, "write"),
            *mounts,
            *tools.mounts,
        ),
        path=tools.path,
        links=links,
        limits=room.limits,
    )
    bounds = Bounds(tuple(mount.source for mount in spec.mounts if mount.mode == "write"))
    finished = engines.builder().run_once(
        spec, on_line=on_line, timeout=room.seconds, cancelled=lambda: bounds.passed() or room.cancelled()
    )
    if finished.killed == "cancelled":
        room.check()
        finished = replace(finished, killed=bounds.why)
    if (finished.exit_code or finished.killed) and not quiet:
        raise explain(stage, tuple(tail), finished, seconds=room.seconds)
    return finished


def own_variables() -> dict[str, str]:
    """What a user's variables cannot change: where the package managers work."""
    return {
        "HOME": TEMPORARY,
        "TMPDIR": TEMPORARY,
        "VIRTUAL_ENV": f"{DEPS}/venv",
        "UV_PROJECT_ENVIRONMENT": f"{DEPS}/venv",
        "UV_CACHE_DIR": f"{CACHE}/uv",
        "UV_LINK_MODE": "copy",  # the cache is another mount, and is written to by later builds
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "PDM_CHECK_UPDATE": "0",
        "npm_config_cache": f"{CACHE}/npm",
        "npm_config_update_notifier": "false",
        "YARN_CACHE_FOLDER": f"{CACHE}/yarn",
        "YARN_ENABLE_TELEMETRY": "0",
        "YARN_ENABLE_GLOBAL_CACHE": "false",
        "YARN_NODE_LINKER": "node-modules",  # what is started by `node` needs no loader of yarn's
        "BUN_INSTALL_CACHE_DIR": f"{CACHE}/bun",
        "TURBO_TELEMETRY_DISABLED": "1",
        "NX_DAEMON": "false",
        "DENO_TLS_CA_STORE": "mozilla,system",  # by itself it knows none of the machine's certificates
        "GOMODCACHE": f"{CACHE}/go/mod",
        "GOCACHE": f"{CACHE}/go/build",
        "CARGO_HOME": f"{CACHE}/cargo",
        "CARGO_TARGET_DIR": f"{CACHE}/cargo-target",
        "MAVEN_OPTS": f"-Dmaven.repo.local={CACHE}/maven/repository",
        "MAVEN_USER_HOME": f"{CACHE}/maven",
        "GRADLE_USER_HOME": f"{CACHE}/gradle",
        "COMPOSER_HOME": f"{CACHE}/composer",
        "BUNDLE_USER_CACHE": f"{CACHE}/bundle",
        "BUNDLE_GLOBAL_GEM_CACHE": "true",
        "MIX_HOME": f"{CACHE}/mix",
        "HEX_HOME": f"{CACHE}/mix/hex",
        "NUGET_PACKAGES": f"{CACHE}/nuget",
        "HUGO_CACHEDIR": f"{CACHE}/hugo",
        "XDG_CACHE_HOME": f"{CACHE}/xdg",
    }


def _certificates() -> dict[str, str]:
    found = {name: os.environ.get(name, "") for name in _CERTIFICATES}
    return {name: value for name, value in found.items() if value.startswith(("/etc/", "/usr/"))}
