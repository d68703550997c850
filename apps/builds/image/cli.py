"""The docker client that can build with BuildKit, and its argument list."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

# An image like any other to the registry, which is not asked for more than that; every step of every stage.
_CACHE = "type=registry,mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
_OWN_BUILDKIT = 23  # from this version on the client needs the component buildx


@dataclass(frozen=True, slots=True)
class Request:
    """One build. `scope`: a host name's label, whose caches and layers are used. `output`: empty for an image.

    `cache_from`: images whose layers may be taken; `inline`: the image says of its own where they are from.
    `cache_to`: the name in a registry that the layers of all steps are left under.
    `frontend`: the image of what reads `dockerfile`, if it is none; `arguments` are told it.
    """

    context: str
    dockerfile: str
    scope: str
    tag: str = ""
    target: str = ""
    output: str = ""
    labels: tuple[str, ...] = ()
    frontend: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    cache_from: tuple[str, ...] = ()
    inline: bool = False
    cache_to: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """`buildx`: by that component, else by the BuildKit that older clients have in them."""

    program: str
    buildx: bool

    def command(self, request: Request, secrets: dict[str, int]) -> list[str]:
        """`secrets`: id → descriptor of the process. No value stands in it, nor any in what it names."""
        words = [self.program, "buildx", "build", "--provenance=false"] if self.buildx else [self.program, "build"]
        words += ["--progress=plain", f"--file={request.dockerfile}"]
        words += ["--load"] if self.buildx and not request.output else []
        for name, descriptor in secrets.items():
            words.append(f"--secret=id={name},src=/dev/fd/{descriptor}")
        # Proxies by name alone: BuildKit knows these arguments and keeps them out of layers and cache keys.
        words += [f"--build-arg={name}" for name in proxies()]
        # Neither a layer nor a cache is taken from another app's build: a step's key has its host names in it.
        words += [
            f"--build-arg=BUILDKIT_CACHE_MOUNT_NS={request.scope}",
            f"--add-host={request.scope}.invalid:127.0.0.1",
        ]
        words += [f"--build-arg=BUILDKIT_SYNTAX={request.frontend}"] if request.frontend else []
        words += [f"--build-arg={name}={value}" for name, value in request.arguments]
        words += [f"--cache-from={image}" for image in request.cache_from]
        words += ["--build-arg=BUILDKIT_INLINE_CACHE=1"] if request.inline else []
        words += [f"--cache-to={_CACHE},ref={request.cache_to}"] if request.cache_to else []
        words += [f"--target={request.target}"] if request.target else []
        words += [f"--label={label}" for label in request.labels]
        words += [f"--output={request.output}"] if request.output else []
        words += [f"--tag={request.tag}"] if request.tag else []
        return [*words, "--", request.context]


def environment(host: str) -> dict[str, str]:
    """What the client may know of this process: where the daemon is, how it is reached and trusted, proxies."""
    kept = {n: v for n, v in os.environ.items() if n in ("PATH", "HOME", "LANG", "TMPDIR") or n.startswith("DOCKER_")}
    return {**kept, **proxies(), "DOCKER_HOST": host, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def proxies() -> dict[str, str]:
    """The proxy variables of this machine."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY")
    return {name: os.environ[name] for name in (*names, *map(str.lower, names)) if os.environ.get(name)}


def find(path: str | None = None) -> Client | None:
    """The first client along PATH that can build."""
    for directory in (path or os.environ.get("PATH", "")).split(os.pathsep):
        program = Path(directory or ".", "docker")
        try:
            changed = program.stat().st_mtime_ns
        except OSError:
            continue
        if os.access(program, os.X_OK) and (client := _tested(str(program), changed)):
            return client
    return None


@functools.lru_cache(maxsize=32)
def _tested(program: str, changed: int) -> Client | None:
    """Asked once as long as it stays the same file."""
    if _says(program, "buildx", "version"):
        return Client(program, buildx=True)
    version = re.search(r"version (\d+)\.", _says(program, "--version"))
    return Client(program, buildx=False) if version and int(version[1]) < _OWN_BUILDKIT else None


def _says(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
