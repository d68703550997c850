"""Which stored artifact serves which app of a revision."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps import engines
from apps.builds.caching.place import PRODUCTION
from apps.builds.models import Artifact, Build, Promotion
from apps.core.leases import Lease, LeaseLost
from apps.pods.models import Resource, Revision, Snapshot

# Variables that frontend toolchains write into what they build; changing one makes another artifact.
BUILT_IN_PREFIXES = (
    "VITE_", "NEXT_PUBLIC_", "NUXT_PUBLIC_", "PUBLIC_", "REACT_APP_", "GATSBY_", "VUE_APP_", "ASTRO_",
)  # fmt: skip


def has_source(resource: Resource) -> bool:
    """Whether the resource is an app built from a repository."""
    return resource.kind == "App" and bool(resource.spec.get("source", {}).get("repo"))


def is_cold(resource: Resource) -> bool:
    """Whether the app is to be built without anything of its cache."""
    return not resource.spec.get("build", {}).get("cache", True)


def inputs(snapshot: Snapshot, app: str) -> str:
    """The digest of everything in a revision that the build of `app` depends on, its commit left out."""
    return hashlib.sha256(json.dumps(_inputs(snapshot, app), sort_keys=True).encode()).hexdigest()


def differing(before: Snapshot, after: Snapshot, app: str) -> list[str]:
    """What the builds of `app` in two revisions depend on and is not the same: paths such as `env.VITE_API`.

    The branch is left out: a commit is the same on each. So are secrets that both have: their versions say nothing from
    pod to pod, and whoever may read them compares their values.
    """
    old, new = _flat(_inputs(before, app)), _flat(_inputs(after, app))
    aside = {"source.branch"} | (secrets_built_in(before, app).keys() & secrets_built_in(after, app).keys())
    return [path for path in sorted(old.keys() | new.keys()) if path not in aside and old.get(path) != new.get(path)]


def secrets_built_in(snapshot: Snapshot, app: str) -> dict[str, tuple[str, str, int]]:
    """The secrets that go into what is built of `app`: (config, name, version) by path, as `differing` has it."""
    return {
        f"configs.{config}.{name}": (config, name, snapshot[config].spec["secrets"][name])
        for config, chosen in _inputs(snapshot, app)["configs"].items()
        for name in chosen
        if config in snapshot and name in snapshot[config].spec.get("secrets", {})
    }


def _flat(value: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= _flat(inner, f"{path}{name}.") if isinstance(inner, dict) else {f"{path}{name}": inner}
    return found


def _inputs(snapshot: Snapshot, app: str) -> dict[str, Any]:
    spec = snapshot[app].spec
    source = {key: spec["source"].get(key) for key in ("repo", "branch", "rootDir", "submodules")}
    build = {key: value for key, value in spec.get("build", {}).items() if key != "cache"}
    static = spec.get("type") == "static"
    env = {
        entry["name"]: entry["value"]
        for entry in spec.get("env", [])
        if static or entry["name"].startswith(BUILT_IN_PREFIXES)
    }
    configs: dict[str, Any] = {}
    for name in spec.get("configs", []):
        config = snapshot[name].spec if name in snapshot else {}
        chosen = {e["name"]: e["value"] for e in config.get("variables", [])} | dict(config.get("secrets", {}))
        configs[name] = {k: v for k, v in chosen.items() if static or k.startswith(BUILT_IN_PREFIXES)}
    whole = {"source": source, "build": build, "static": static, "env": env, "configs": configs}
    if spec.get("type") == "job":
        whole["idle"] = True  # it has no start command, whatever the repository says
    return whole


def find(revision: Revision, app: str, snapshot: Snapshot) -> Build | None:
    """A build with an artifact that serves `app` of `revision`, sealed or draft; None: it has to be built.

    A pinned commit is served by the newest build of the pod with equal inputs. Without one the app follows its branch:
    it keeps what its parent was built from until somebody deploys the latest. What the revision's engine cannot run
    does not serve: a pod that moves to another kind of engine is built again, from the same commit (`kept_commit`).
    What was promoted to a draft serves it while it is still what the draft says.
    """
    stored = Build.objects.filter(artifact__kind__in=_runnable(revision)).select_related("artifact")
    own = stored.filter(revision=revision, app=app).first()
    if own:
        return own
    if promoted := _promoted(revision, app, snapshot):
        return promoted
    same = stored.filter(app=app, inputs=inputs(snapshot, app), zone=PRODUCTION)
    if is_cold(snapshot[app]):
        same = same.filter(cold=True)  # a redeploy with the cache off is to be built from nothing, once
    commit = snapshot[app].spec["source"].get("commit", "")
    if not commit and revision.parent_id:
        if found := same.filter(revision=revision.parent_id).first():
            return found
        commit = kept_commit(revision, app, snapshot)
    return same.filter(revision__pod_id=revision.pod_id, commit=commit).order_by("-id").first() if commit else None


def _promoted(revision: Revision, app: str, snapshot: Snapshot) -> Build | None:
    rows = Promotion.objects.filter(revision=revision, app=app, build__artifact__kind__in=_runnable(revision))
    row = rows.select_related("build__artifact").first()
    if row is None or row.build.commit != snapshot[app].spec["source"].get("commit", ""):
        return None
    return row.build if row.inputs == inputs(snapshot, app) else None


def runs_on(revision: Revision, artifact: Artifact) -> bool:
    """Whether the engine of `revision` runs `artifact`."""
    return artifact.kind in _runnable(revision)


def kept_commit(revision: Revision, app: str, snapshot: Snapshot) -> str:
    """The commit of the parent's artifact where that is for another kind of engine; else empty."""
    if not revision.parent_id or is_cold(snapshot[app]):
        return ""
    built = Build.objects.filter(revision=revision.parent_id, app=app, inputs=inputs(snapshot, app))
    other = built.filter(artifact__isnull=False).exclude(artifact__kind__in=_runnable(revision))
    return other.values_list("commit", flat=True).first() or ""


def _runnable(revision: Revision) -> frozenset[str]:
    """The kinds of artifacts that serve on the engine of `revision`."""
    return engines.named(revision.engine).artifacts | {"static"}


def stored_apps(revision: Revision) -> frozenset[str]:
    """The apps of `revision` that need no build."""
    snapshot = revision.snapshot()
    return frozenset(name for name, r in snapshot.items() if has_source(r) and find(revision, name, snapshot))


@transaction.atomic
def carry_builds(*, revision: Revision) -> None:
    """Give every app of a sealed revision its Build, with the artifact of an earlier one where that serves."""
    snapshot = revision.snapshot()
    for name, resource in snapshot.items():
        if not has_source(resource):
            continue
        found = find(revision, name, snapshot)
        commit = resource.spec["source"].get("commit", "") or kept_commit(revision, name, snapshot)
        build, _ = Build.objects.get_or_create(
            revision=revision,
            app=name,
            defaults={
                "inputs": inputs(snapshot, name),
                "commit": found.commit if found else commit,
                "cold": is_cold(resource),
            },
        )
        if found is None and build.artifact_id:
            build.artifact = build.built_at = None
            build.save()
        if found and build.artifact_id is None:
            build.commit, build.author, build.message = found.commit, found.author, found.message
            build.plan, build.artifact, build.built_at = found.plan, found.artifact, found.built_at
            build.save()


def record_artifact(*, build: Build, manifest: dict[str, Any], kind: str, size: int, lease: Lease) -> Artifact:
    """Keep what a build made, if its deployment is still ours. Raises LeaseLost."""
    with transaction.atomic():
        lease.renew()
        artifact = Artifact.objects.create(team=build.revision.pod.team, kind=kind, manifest=manifest, size=size)
        won = Build.objects.filter(pk=build.pk, artifact=None).update(artifact=artifact, built_at=timezone.now())
        if not won:
            raise LeaseLost
    build.refresh_from_db()
    return artifact
