"""What a manifest would change, and changing it: all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import transaction

from apps.accounts.models import Team
from apps.builds.stored import stored_apps
from apps.core.errors import Detail, Invalid
from apps.deployments import actions as deployments
from apps.deployments.models import Deployment
from apps.manifests.problems import FileRefused
from apps.manifests.reading import Manifest
from apps.pods import actions as pods
from apps.pods import batch, moving
from apps.pods.diff import Change, diff
from apps.pods.models import Pod, Revision
from apps.pods.plan import Plan, make_plan
from apps.pods.validation import problems

if TYPE_CHECKING:
    from apps.accounts.models import User

Values = Mapping[tuple[str, str], str]
"""(resource, secret) → its value."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`changes`: of the draft. `plan`: what deploying it does. `missing`: (resource, secret) without a value."""

    changes: tuple[Change, ...]
    plan: Plan
    missing: tuple[tuple[str, str], ...]
    deployable: bool  # whether the draft would differ from what is live
    engine: str = ""  # that the draft moves to; empty: it stays

    @property
    def anything(self) -> bool:
        return bool(self.changes or self.engine or self.deployable)


def outcome(*, pod: Pod, manifest: Manifest, values: Values, keep: bool, by: User | None) -> Outcome:
    """What `apply` would do; nothing is changed. Raises FileRefused, Conflict."""
    wanted = _batch(manifest, values, keep)
    shown = _shown(pod)
    before = shown.snapshot() if shown else {}
    engine = moving.engine_of(shown)
    with _placed(manifest), batch.rehearsed(pod=pod, batch=wanted, by=by) as row:
        row = Revision.objects.select_related("pod__live").get(pk=row.pk)
        after = row.snapshot()
        _check_whole(manifest, row)
        found = diff(before, after)
        moved = moving.engine_of(row) if moving.engine_of(row) != engine else ""
        plan = make_plan(row.pod, row, stored=stored_apps(row))
        deployable = bool(moving.changes(row.pod.live, row))
    return Outcome(tuple(found), plan, tuple(batch.missing(pod, wanted)), deployable, moved)


def apply(*, pod: Pod, manifest: Manifest, values: Values, keep: bool, by: User | None) -> Revision:
    """Make the draft what `manifest` says. Raises FileRefused, Conflict, Unavailable; then nothing has changed."""
    wanted = _batch(manifest, values, keep)
    with _placed(manifest):
        with batch.rehearsed(pod=pod, batch=wanted, by=by) as row:
            _check_whole(manifest, row)
        return batch.put(pod=pod, batch=wanted, by=by)


def deploy(*, pod: Pod, summary: str, confirmed: bool, by: User | None) -> Deployment:
    """Deploy the draft as it is. Raises as `deploy_draft`."""
    draft = pods.draft(pod=pod, by=by)
    plan = make_plan(draft.pod, draft, stored=stored_apps(draft))
    return deployments.deploy_draft(pod=pod, summary=summary, token=plan.token, confirmed=confirmed, by=by)


@contextmanager
def made(*, team: Team, name: str, by: User | None) -> Iterator[Pod]:
    """A new pod that is there only if what is done with it succeeds. Raises as `create_pod`."""
    pod = pods.create_pod(team=team, name=name, by=by)
    try:
        yield pod
    except BaseException:
        with transaction.atomic():
            Pod.objects.filter(pk=pod.pk, head=None, live=None).delete()
        raise


def _shown(pod: Pod) -> Revision | None:
    pod = Pod.objects.select_related("head", "live").get(pk=pod.pk)
    return pod.draft or pod.head or pod.live


def _batch(manifest: Manifest, values: Values, keep: bool) -> batch.Batch:
    """Values for what the manifest does not name are refused: most likely a name is misspelt."""
    named = {(item.name, secret) for item in manifest.resources for secret in item.named}
    if unknown := sorted(values.keys() - named):
        message = "is a value for a secret that the file does not name: name it there, or leave it out."
        raise Invalid([Detail(f"{name}.{secret}", message) for name, secret in unknown])
    resources = [
        replace(item, secrets={secret: value for (name, secret), value in values.items() if name == item.name})
        for item in manifest.resources
    ]
    return batch.Batch(resources, keep=keep, engine=manifest.engine or None)


def _check_whole(manifest: Manifest, row: Revision) -> None:
    """Raises FileRefused for resources that contradict each other."""
    after = row.snapshot()
    wrong = [*problems(after), *moving.problems(row.pod.live, row, after)]
    if wrong:
        raise FileRefused(manifest.problems(wrong, after))


@contextmanager
def _placed(manifest: Manifest) -> Iterator[None]:
    """What is wrong with a resource stands at its line."""
    try:
        yield
    except Invalid as error:
        raise FileRefused(manifest.problems(error.details)) from None
