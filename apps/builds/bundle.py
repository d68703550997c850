"""What belongs together to run an app: the manifest of its layers, as an image is, and how they are mounted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from apps import artifacts
from apps.engines.base import APP, LAYERS, Mount

DEPS = f"{LAYERS}/deps"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`app` and `deps` are digests of trees; an image has neither, but `image`, its reference.

    `prefixes` are toolchains of the host, mounted where they are. `env` is what the app's own variables are put over.
    `release` runs before the start of each deployment.
    """

    kind: Literal["bundle", "static", "image"]
    app: str = ""
    deps: str | None = None
    start: str = ""
    release: str = ""
    path: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    size: int = 0
    image: str = ""
    site: dict[str, Any] = field(default_factory=dict)  # static: apps/builds/site.Settings as JSON

    def as_json(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Manifest:
        """Fields that a later version wrote are left out."""
        known = {f.name for f in fields(cls)} & stored.keys()
        values: dict[str, Any] = {k: tuple(stored[k]) if isinstance(stored[k], list) else stored[k] for k in known}
        return cls(**values)

    @property
    def digests(self) -> frozenset[str]:
        """The trees that must stay for this to run again."""
        return frozenset(digest for digest in (self.app, self.deps) if digest)


def mounts(manifest: Manifest) -> tuple[tuple[Mount, ...], tuple[tuple[str, str], ...], tuple[str, ...]]:
    """(mounts, links, PATH directories) to launch with. Raises PlatformError("artifact_missing")."""
    if manifest.kind == "image":
        return (), (), ()
    app = Mount(str(artifacts.artifacts().path(manifest.app)), APP, "scratch")
    toolchains = tuple(Mount(prefix, prefix) for prefix in manifest.prefixes)
    node = f"{APP}/node_modules/.bin" in manifest.path
    return (app, *layer_mounts(manifest.deps), *toolchains), links(manifest.deps, node=node), manifest.path


def links(digest: str | None, *, node: bool) -> tuple[tuple[str, str], ...]:
    """The modules in the layer, where Node.js looks for them."""
    return ((f"{APP}/node_modules", f"{DEPS}/node_modules"),) if digest and node else ()


def layer_mounts(digest: str | None) -> tuple[Mount, ...]:
    """The dependencies; scratch, because tools write caches into them."""
    return (Mount(str(artifacts.artifacts().path(digest)), DEPS, "scratch"),) if digest else ()
