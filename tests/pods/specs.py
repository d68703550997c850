"""Specs and snapshots for tests, and the strategies that make more of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from apps.pods import kinds
from apps.pods.models import Resource, Snapshot

REPO = "https://github.com/example/shop.git"
APP: dict[str, Any] = {"source": {"repo": REPO, "branch": "main"}}
RULES: dict[str, Any] = {"rules": [{"path": "/", "app": "web"}]}


def app(**fields: Any) -> dict[str, Any]:
    return APP | fields


def env(**variables: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in variables.items()]


def snapshot(**resources: tuple[str, dict[str, Any]]) -> Snapshot:
    """Unsaved resources by name: `snapshot(web=("App", app()))`."""
    return {n: Resource(kind=kind, name=n, spec=kinds.get(kind).parse(spec)) for n, (kind, spec) in resources.items()}


NAMES = st.sampled_from(["web", "api", "data", "settings", "front", "jobs"])
VARIABLES = st.sampled_from(["A", "B", "C", "GREETING"])
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12)
PAIRS = st.dictionaries(VARIABLES, TEXT, max_size=3).map(lambda pairs: env(**pairs))
APPS = st.builds(
    lambda kind, replicas, pairs, configs, branch: app(
        type=kind, replicas=replicas, env=pairs, configs=configs, source={"repo": REPO, "branch": branch}
    ),
    st.sampled_from(["web", "worker"]),
    st.integers(1, 3),
    PAIRS,
    st.lists(st.sampled_from(["settings", "more"]), unique=True, max_size=2),
    st.sampled_from(["", "main", "next"]),
)
ROUTES = st.builds(
    lambda apps, off: {"rules": [{"path": f"/{a}/", "app": a} for a in apps], "maintenance": off},
    st.lists(st.sampled_from(["web", "api"]), unique=True, min_size=1),
    st.booleans(),
)
CONFIGS = st.builds(
    lambda pairs, secrets, files: {"variables": pairs, "secrets": secrets, "files": files},
    PAIRS,
    st.dictionaries(st.sampled_from(["KEY", "TOKEN"]), st.integers(1, 4)),
    st.dictionaries(st.sampled_from(["a.txt", "b.yaml"]), TEXT, max_size=2),
)
DISKS = st.builds(lambda size: {"size": size}, st.integers(5, 9))
SPECS = st.one_of(
    st.tuples(st.just("App"), APPS),
    st.tuples(st.just("Route"), ROUTES),
    st.tuples(st.just("Config"), CONFIGS),
    st.tuples(st.just("Disk"), DISKS),
)
SNAPSHOTS = st.dictionaries(NAMES, SPECS, max_size=5).map(lambda resources: snapshot(**resources))
