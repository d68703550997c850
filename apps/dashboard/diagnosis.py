"""A failed deployment's diagnosis as it is shown, and its remedies on their way into the draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.builds import failures
from apps.core.errors import NotFound
from apps.dashboard.pod_map import shown_snapshot
from apps.deployments.models import Deployment, StageRun
from apps.pods import actions, kinds
from apps.pods.models import Pod, Resource

if TYPE_CHECKING:
    from apps.accounts.models import User

Fixes = tuple[tuple[int, failures.Fix], ...]
LONGEST_SEARCH = 100  # characters of a line that the log viewer looks for


@dataclass(frozen=True, slots=True)
class Shown:
    """`cause` and `remedy` are empty where the deployment's own words say the same. `fixes`: by number."""

    title: str
    cause: str
    remedy: str
    line: str
    search: str
    fixes: Fixes


def diagnosis_of(deployment: Deployment, failed: StageRun | None, lines: Sequence[str]) -> Shown | None:
    """What the catalogue knows of why `deployment` failed; `lines` are those of the failed stage."""
    if deployment.state != "failed" or failed is None:
        return None
    # The log repeats the error itself at the end: that line is shown only where no other says it.
    said = [line for line in lines if not line.startswith(deployment.error)] if deployment.error else lines
    found = failures.found_in(deployment.error_code, said)
    if found is None:
        return None
    if not found.line:
        found = failures.found_in(deployment.error_code, lines) or found
    resource = _app(deployment.pod, failed.app)
    return Shown(
        title=found.entry.title,
        cause="" if found.cause in deployment.error else found.cause,
        remedy="" if found.remedy in deployment.hint else found.remedy,
        line=found.line[:500],
        search=found.line[:LONGEST_SEARCH],
        fixes=offered(found, resource, failed.stage) if resource else (),
    )


def offered(found: failures.Diagnosis, resource: Resource, stage: str) -> Fixes:
    """The remedies that would change `resource` where `stage` failed, by their numbers in the catalogue."""
    useful = found.fixes(_spec(resource), stage)
    return tuple((number, fix) for number, fix in enumerate(found.entry.fixes) if fix in useful)


def apply_remedy(deployment: Deployment, failed: StageRun | None, number: str, *, by: User) -> bool:
    """Put a remedy of the catalogue into the draft; False if the draft has it. Raises NotFound, Invalid, Conflict."""
    if failed is None:
        raise NotFound("such remedy for this deployment")
    return put_remedy(deployment.pod, failed.app, deployment.error_code, number, by=by)


def put_remedy(pod: Pod, app: str, code: str, number: str, *, by: User | None) -> bool:
    """Put remedy `number` of the failure `code` into `app` of the draft; False if the draft has it.

    Raises NotFound, Invalid, Conflict.
    """
    found = failures.found_in(code, ())
    resource = _app(pod, app)
    if found is None or resource is None or number not in map(str, range(len(found.entry.fixes))):
        raise NotFound("such remedy for this app")
    fix, spec = found.entry.fixes[int(number)], _spec(resource)
    changed = fix.applied(spec)
    if changed == spec:
        return False
    actions.save_resource(
        pod=pod, kind="App", name=resource.name, spec=changed, by=by, create=False, seen=resource.token
    )
    return True


def _app(pod: Pod, name: str) -> Resource | None:
    found = shown_snapshot(pod).get(name)
    return found if found and found.kind == "App" else None


def _spec(resource: Resource) -> dict[str, object]:
    spec: dict[str, object] = kinds.get("App").read(resource.spec).model_dump(mode="json")
    return spec
