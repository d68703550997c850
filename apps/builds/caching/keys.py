"""What decides whether something stored fits: equal keys, equal inputs."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.utils.crypto import salted_hmac

from apps.builds.detect.plan import Plan
from apps.core.paths import beneath

MOST_FILES = 50_000
MOST_BYTES = 1 << 30
# Variables that package managers and compilers read: another value is another layer.
_INSTALLS = re.compile(
    r"NODE_ENV|(npm_config|pnpm_config|yarn|bun|pip|uv|poetry|pdm|pipenv|bundle|composer|cargo|go|mix|hex|deno)_.+"
    r"|GO[A-Z]+|C(XX|PP)?FLAGS|LDFLAGS|RUSTFLAGS|CC|CXX",
    re.IGNORECASE,
)


def layer(plan: Plan, app: Path, versions: Mapping[str, str], env: Mapping[str, str], places: Iterable[str]) -> str:
    """Equal keys: equal dependencies, whatever else has changed in the source. Empty: there is no telling.

    `places` are the directories of the toolchains, which a layer links to.
    """
    if "." in plan.lockfiles:
        # Where installing runs or links code of the repository it may change the app too: it has to happen each time.
        return ""
    read = {name: value for name, value in env.items() if _INSTALLS.fullmatch(name)}
    return _digest(
        {
            "install": plan.install,
            "versions": sorted(versions.items()),
            "machine": _machine(),
            "places": sorted(places),
            "env": concealed(read) if read else "",
            "files": dict(_digests(app, plan.lockfiles)),
        }
    )


def intermediates(plan: Plan, app: Path, versions: Mapping[str, str]) -> str:
    """Equal keys: what the tools kept for themselves is of use, though the source may have changed."""
    return _digest(
        {
            "stack": [plan.stack, plan.framework, plan.root, plan.member],
            "versions": sorted(versions.items()),
            "machine": _machine(),
            "files": dict(_digests(app, [name for name in plan.lockfiles if name != "."])),
        }
    )


def output(plan: Plan, source: str, versions: Mapping[str, str], env: Mapping[str, str], dependencies: str) -> str:
    """Equal keys: the same would be built again. `source`: the manifest of the untouched checkout."""
    return _digest(
        {
            "plan": asdict(plan),
            "versions": sorted(versions.items()),
            "machine": _machine(),
            "source": source,
            "env": concealed(env),
            "dependencies": dependencies,
        }
    )


def concealed(values: Mapping[str, str]) -> str:
    """A digest from which nobody without the platform's own key can find a value by trying."""
    text = json.dumps(sorted(values.items()))
    return salted_hmac("brainpod.caches.environment", text, algorithm="sha256").hexdigest()


def manifest(root: Path) -> str:
    """The digest of every name, mode, link and content beneath `root` but .git; empty: larger than the limits."""
    digest, files, size = hashlib.sha256(), 0, 0
    for name, path, status in _entries(str(root), ""):
        files, size = files + 1, size + status.st_size
        if files > MOST_FILES or size > MOST_BYTES:
            return ""
        if stat.S_ISLNK(status.st_mode):
            kind, content = "l", os.fsencode(os.readlink(path))  # noqa: PTH115 - bytes of any kind
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                kind = "x" if status.st_mode & 0o111 else "f"
                content = hashlib.file_digest(file, "sha256").digest()
        else:
            kind, content = "d", b""
        word = os.fsencode(name)
        digest.update(b"%b%d:%b%d:%b" % (kind.encode(), len(word), word, len(content), content))
    return digest.hexdigest()


def _entries(directory: str, prefix: str) -> Iterator[tuple[str, str, os.stat_result]]:
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        if entry.name == ".git":
            continue
        status = entry.stat(follow_symlinks=False)
        yield f"{prefix}{entry.name}", entry.path, status
        if stat.S_ISDIR(status.st_mode):
            yield from _entries(entry.path, f"{prefix}{entry.name}/")


def _machine() -> list[Any]:
    return [platform.system(), platform.machine(), platform.libc_ver()]


def _digest(inputs: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _digests(app: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        path = beneath(app, name, "build")
        if path.is_file():
            with path.open("rb") as file:
                yield name, hashlib.file_digest(file, "sha256").hexdigest()
        else:
            yield name, "absent"
