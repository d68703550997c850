"""Which stored artifact serves which app of a revision."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Max

from apps import engines
from apps.builds.caching.place import PRODUCTION
from apps.builds.inputs import has_source, inputs, is_cold
from apps.builds.models import Artifact, Build, Promotion
from apps.pods.models import Revision


class Stored:
    """The builds that may serve the apps of one revision, sealed or a draft, as they are when this is made.

    All apps are looked up at once: in four statements at most, however many apps there are and whatever was built.
    """

    def __init__(self, revision: Revision) -> None:
        self._parent = revision.parent_id
        self._snapshot = revision.snapshot()
        self._runnable = _runnable(revision)
        self._inputs = {name: inputs(self._snapshot, name) for name, r in self._snapshot.items() if has_source(r)}
        mine = (pk for pk in (revision.pk, revision.parent_id) if pk)
        rows = Build.objects.filter(revision__in=mine, app__in=self._inputs, artifact__isnull=False)
        known = {(row.revision_id, row.app): row for row in rows.select_related("artifact")} if self._inputs else {}
        self._own = {name: known.get((revision.pk, name)) for name in self._inputs}
        self._parents = {name: known.get((revision.parent_id or 0, name)) for name in self._inputs}
        promotions = Promotion.objects.filter(revision=revision, app__in=self._inputs)
        self._promoted = {row.app: row for row in promotions.select_related("build__artifact")} if self._inputs else {}
        self._pinned = self._of_commits(revision.pod_id)

    @property
    def apps(self) -> Iterable[str]:
        """Those that are built."""
        return self._inputs

    def inputs(self, app: str) -> str:
        return self._inputs[app]

    def commit(self, app: str) -> str:
        """The commit that a build of the app is pinned to: by its settings, else that of the parent's artifact where
        that is for another kind of engine; else empty.
        """
        if pinned := self._snapshot[app].spec["source"].get("commit", ""):
            return str(pinned)
        before = self._parents[app]
        if before is None or is_cold(self._snapshot[app]) or self._runs(before):
            return ""
        return before.commit if before.inputs == self._inputs[app] else ""

    def find(self, app: str) -> Build | None:
        """A build with an artifact that serves the app; None: it has to be built.

        A pinned commit is served by the newest build of the pod with equal inputs. Without one the app follows its
        branch: it keeps what its parent was built from until somebody deploys the latest. What the revision's engine
        cannot run does not serve: a pod that moves to another kind of engine is built again, from the same commit. What
        was promoted to a draft serves it while it is still what the draft says.
        """
        own = self._own[app]
        if own and self._runs(own):
            return own
        if promoted := self._of_promotion(app):
            return promoted
        before = self._parents[app]
        if before and not self._snapshot[app].spec["source"].get("commit") and self._serves(before, app):
            return before
        return self._pinned.get(app)

    def _of_promotion(self, app: str) -> Build | None:
        row = self._promoted.get(app)
        if row is None or row.inputs != self._inputs[app] or not self._runs(row.build):
            return None
        return row.build if row.build.commit == self._snapshot[app].spec["source"].get("commit", "") else None

    def _serves(self, build: Build, app: str) -> bool:
        if build.inputs != self._inputs[app] or build.zone != PRODUCTION or not self._runs(build):
            return False
        return build.cold or not is_cold(self._snapshot[app])  # with the cache off it is built from nothing, once

    def _runs(self, build: Build) -> bool:
        return build.artifact is not None and build.artifact.kind in self._runnable

    def _of_commits(self, pod_id: str) -> dict[str, Build]:
        """Of each app, the newest build of the pod from the commit that it is pinned to."""
        commits = {name: commit for name in self._inputs if (commit := self.commit(name))}
        if not commits:
            return {}
        rows = Build.objects.filter(
            revision__pod=pod_id, app__in=commits, commit__in=set(commits.values()), zone=PRODUCTION,
            inputs__in={self._inputs[name] for name in commits}, artifact__kind__in=self._runnable,
        )  # fmt: skip
        newest = rows.values("app", "commit", "inputs", "cold").annotate(newest=Max("pk")).values("newest")
        found: dict[str, Build] = {}
        for build in Build.objects.filter(pk__in=newest).select_related("artifact").order_by("pk"):
            if build.commit == commits[build.app] and self._serves(build, build.app):
                found[build.app] = build
        return found


def stored_apps(revision: Revision) -> frozenset[str]:
    """The apps of `revision` that need no build."""
    stored = Stored(revision)
    return frozenset(name for name in stored.apps if stored.find(name))


def runs_on(revision: Revision, artifact: Artifact) -> bool:
    """Whether the engine of `revision` runs `artifact`."""
    return artifact.kind in _runnable(revision)


def _runnable(revision: Revision) -> frozenset[str]:
    """The kinds of artifacts that serve on the engine of `revision`."""
    return engines.named(revision.engine).artifacts | {"static"}
