"""What will be built of an app, as people see it before they deploy: looked up, or what the last build did."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import Max

from apps.builds import failures, inspecting
from apps.builds.detect import DETECTORS, DOCKER
from apps.builds.detect.origins import SETTINGS
from apps.builds.detect.plan import CACHE
from apps.builds.inputs import has_source, inputs
from apps.builds.models import Build, Inspection
from apps.core.errors import NotFound
from apps.dashboard.diagnosis import Fixes, offered, put_remedy
from apps.pods.models import Pod, Resource, Snapshot

if TYPE_CHECKING:
    from apps.accounts.models import User

OURS = "your settings"
# Part of a plan → the field of the app's form that overrides it.
FIELDS = {
    "framework": "build.framework",
    "kind": "type",
    "root": "source.rootDir",
    "install": "build.installCommand",
    "build": "build.buildCommand",
    "start": "startCommand",
    "output": "build.outputDir",
    "caches": "build.cache",
}
_NAMES = {detector.name: detector.title for detector in DETECTORS} | {DOCKER: "Dockerfile"}
_KINDS = {"web": "answers HTTP requests", "worker": "runs without traffic", "static": "files, served by the edge"}


@dataclass(frozen=True, slots=True)
class Row:
    """`commands`: of `values`, whether they are. `path`: the field that overrides them."""

    name: str
    values: tuple[str, ...]
    origin: str = ""
    path: str = ""
    commands: bool = True


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no plan, or (with one) what its build would fail for. Empty where the words above say the same."""

    code: str
    title: str
    message: str
    hint: str
    cause: str = ""
    remedy: str = ""
    fixes: Fixes = ()


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """`state`: none (nobody has looked) | waiting | running | done | failed | built (`version`'s build did this)."""

    app: str
    state: str
    repo: str
    branch: str
    title: str = ""
    commit: str = ""
    message: str = ""
    at: datetime.datetime | None = None
    version: int | None = None
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    problem: Problem | None = None

    @property
    def id(self) -> str:
        return f"build_plan_{self.app}"

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")


@dataclass(slots=True)
class _Said:
    """A plan as it was stored, and where its parts come from."""

    plan: Mapping[str, Any]
    spec: Mapping[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)

    def row(self, name: str, part: str, usual: str, *, commands: bool = True) -> Row | None:
        value = self.plan.get(part) or ()
        values = (value,) if isinstance(value, str) else tuple(value)
        if not values:
            return None
        return Row(name, values, self.origin(part, usual), FIELDS.get(part, ""), commands)

    def origin(self, part: str, usual: str) -> str:
        found = self.origins.get(part, "")
        if found == SETTINGS or (not self.origins and _overridden(self.spec, part)):
            return OURS
        return f"from {found}" if found else usual


def build_plan(pod: Pod, resource: Resource, around: Snapshot) -> BuildPlan | None:
    """The newest that is known of `resource` as its settings are now; None for what is not built."""
    return next(iter(_newest(pod, [resource], around)), None)


def build_plans(pod: Pod, snapshot: Snapshot, stored: frozenset[str]) -> list[BuildPlan]:
    """Of every app of `snapshot` that has to be built."""
    return _newest(pod, [resource for name, resource in sorted(snapshot.items()) if name not in stored], snapshot)


def _newest(pod: Pod, resources: Collection[Resource], around: Snapshot) -> list[BuildPlan]:
    apps = [resource for resource in resources if has_source(resource)]
    looked = inspecting.newest_of(apps, pod.pk)
    built = _last_builds(pod, {app.name: inputs(around, app.name) for app in apps})
    return [_plan(app, looked.get(app.name), built.get(app.name)) for app in apps]


def _plan(app: Resource, looked: Inspection | None, built: Build | None) -> BuildPlan:
    """Of what was looked up and what was built, the later."""
    source = app.spec["source"]
    shown = {"app": app.name, "repo": source["repo"], "branch": source.get("branch", "")}
    if looked is None or (
        built is not None and built.built_at and not looked.is_open and looked.created_at < built.built_at
    ):
        return _of_build(built, app, shown) if built else BuildPlan(state="none", **shown)
    return _of_inspection(looked, app, shown)


def apply_plan_remedy(pod: Pod, resource: Resource, number: str, *, by: User | None) -> bool:
    """Put a remedy for what the inspection failed with into the draft. Raises NotFound, Invalid, Conflict."""
    looked = inspecting.newest(resource, pod.pk) if has_source(resource) else None
    if looked is None or not looked.error_code:
        raise NotFound("such remedy for this app")
    return put_remedy(pod, resource.name, looked.error_code, number, by=by)


def _last_builds(pod: Pod, wanted: Mapping[str, str]) -> dict[str, Build]:
    """Of each app, the last build of the pod with these inputs that ended well."""
    rows = Build.objects.filter(revision__pod=pod, plan__isnull=False, built_at__isnull=False)
    rows = rows.filter(app__in=wanted, inputs__in=set(wanted.values()))
    newest = rows.values("app", "inputs").annotate(newest=Max("pk")).values("newest")
    found = Build.objects.filter(pk__in=newest).select_related("revision")
    return {build.app: build for build in found if build.inputs == wanted[build.app]}


def _of_build(build: Build, resource: Resource, shown: Mapping[str, Any]) -> BuildPlan:
    said = _Said(build.plan or {}, resource.spec)
    return BuildPlan(
        state="built", title=_title(said.plan), commit=build.commit, message=build.message, at=build.built_at,
        version=build.revision.version, rows=_rows(said), notes=tuple(said.plan.get("notes", ())), **shown,
    )  # fmt: skip


def _of_inspection(row: Inspection, resource: Resource, shown: Mapping[str, Any]) -> BuildPlan:
    plan = row.plan or {}
    said = _Said(plan, resource.spec, plan.get("origins", {}))
    return BuildPlan(
        state=row.state, title=_title(plan) if plan else "", commit=row.commit, message=row.message, at=row.finished_at,
        rows=_rows(said) if plan else (), notes=tuple(plan.get("notes", ())), problem=_problem(row, resource), **shown,
    )  # fmt: skip


def _title(plan: Mapping[str, Any]) -> str:
    """What it is, in few words: "django, Python 3.11"."""
    return str(plan.get("title") or plan.get("framework") or plan.get("stack", ""))


def _rows(said: _Said) -> tuple[Row, ...]:
    plan = said.plan
    stack = str(plan.get("stack", ""))
    what = plan.get("framework") or stack
    name = _NAMES.get(stack, stack)
    name += f" ({plan['framework']})" if plan.get("framework") not in (None, "", stack) else ""
    found = [
        Row("Stack", (name,), said.origin("framework", "found in the files"), FIELDS["framework"], commands=False),
        Row(
            "Kind",
            (f"{plan.get('kind', '')}: {_KINDS.get(plan.get('kind', ''), '')}",),
            "",
            FIELDS["kind"],
            commands=False,
        ),
    ]
    found += [
        Row(_NAMES.get(tool, tool), (version or "any version",), "" if origin == "default" else origin, commands=False)
        for tool, (version, origin) in (plan.get("versions") or {}).items()
    ]
    place = plan.get("member") or plan.get("root") or ""
    inside = f" of the workspace in {plan.get('root') or 'the repository'}" if plan.get("member") else ""
    rows = [
        Row("Directory", (f"{place}{inside}",), "", FIELDS["root"], commands=False) if place else None,
        Row("Packages", (", ".join(plan["packages"]),), "", commands=False) if plan.get("packages") else None,
        said.row("Install", "install", f"usual for {plan.get('manager') or stack}"),
        said.row("Build", "build", f"usual for {what}"),
        said.row("Release", "release", "from the Procfile"),
        said.row("Start", "start", f"usual for {what}"),
        said.row("Output", "output", f"usual for {what}"),
    ]
    caches = ", ".join(str(path).removeprefix(f"{CACHE}/") for path in plan.get("caches", ()))
    rows += [Row("Caches", (caches,), "kept for the next build", FIELDS["caches"], commands=False) if caches else None]
    return tuple(found + [row for row in rows if row])


def _overridden(spec: Mapping[str, Any], part: str) -> bool:
    head, _, rest = FIELDS.get(part, "").partition(".")
    value = spec.get(head, {}).get(rest) if rest else spec.get(head)
    return bool(value)


def _problem(row: Inspection, resource: Resource) -> Problem | None:
    if not row.error_code:
        return None
    known = failures.found_in(row.error_code, [row.error])
    if known is None:
        return Problem(row.error_code, "", row.error, row.hint)
    return Problem(
        code=row.error_code,
        title=known.entry.title,
        message=row.error,
        hint=row.hint,
        cause="" if known.cause in row.error else known.cause,
        remedy="" if known.remedy in row.hint else known.remedy,
        fixes=offered(known, resource, "detect"),
    )
