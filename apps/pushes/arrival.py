"""What becomes of a push that has arrived: a pod and an app if there are none, a deployment, or the reason why not.

An app that was deployed before is followed as those of any git host are (apps/hooks/receive.py): its branch, its watch
paths, `[skip ci]`, and a receipt in the pod's inbox. What is here is what comes before that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from django.db import transaction

from apps.core.errors import UserError
from apps.deployments import actions as deployments
from apps.deployments.models import Deployment, Trigger
from apps.hooks import receive
from apps.hooks.concerned import concerned
from apps.hooks.following import is_skipped
from apps.hooks.models import Outcome
from apps.hooks.providers.base import Push
from apps.hooks.receive import SHORT, Verdict
from apps.pods import actions as pods
from apps.pods.models import Pod, Resource
from apps.pushes import door
from apps.pushes.door import Repository
from apps.pushes.first import Place

PROVIDER = "brainpod"
PATHS = 10_000  # files of one push that are looked at
MESSAGE = 4000  # characters of a commit's message
MOST = 20  # branches and tags of one push that are judged
ROUTE = "site"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Move:
    """A branch or tag: where it stood and where it stands. Zeros: nowhere."""

    old: str
    new: str
    ref: str

    @property
    def gone(self) -> bool:
        return not self.new.strip("0")

    @property
    def branch(self) -> str:
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""


@dataclass(frozen=True, slots=True)
class Deploying:
    """What the person at the terminal is shown to its end."""

    deployment: Deployment
    app: str


def take(found: Repository, place: Place, moves: list[Move], *, say: Say) -> Deploying | None:
    """Do what the push asks for, and say it; the deployment that comes of it, if one does.

    Raises UserError, PlatformError; then nothing was made but what is stored.
    """
    branches = [move for move in moves if move.branch and not move.gone]
    made = place.fresh
    if made:
        if not branches:
            say("Nothing was kept: push a branch first.\n")
            return None
        _choose_default(found, place, branches)
        place.keep()
    try:
        verdict = _judged(found, place, moves[:MOST])
    except UserError:
        if made and found.pod is None and not Pod.objects.filter(name=found.pod_name).exists():
            place.discard()
        raise
    for move in branches[:MOST]:
        say(f"Stored {move.branch} at {move.new[:SHORT]}.\n")
    say(f"{verdict.words}\n")
    return Deploying(verdict.deployment, found.app) if verdict.deployment else None


def protect(found: Repository, place: Place) -> None:
    """Have git refuse to delete the branch that the app says: it does so with the default one."""
    wanted = _branch_of(found)
    git = door.hosted()
    if wanted and git.default_branch(place.path) != wanted and git.tip(place.path, wanted):
        git.set_default_branch(place.path, wanted)


def _choose_default(found: Repository, place: Place, branches: list[Move]) -> None:
    """What is deployed where nobody said: main, else master, else the first that was pushed."""
    names = [move.branch for move in branches]
    wanted = next((name for name in (_branch_of(found), "main", "master") if name in names), names[0])
    door.hosted().set_default_branch(place.path, wanted)


def _branch_of(found: Repository) -> str:
    """The one that the app says."""
    resource = door.snapshot(found.pod).get(found.app) if found.pod else None
    return str(resource.spec.get("source", {}).get("branch", "")) if resource else ""


def _judged(found: Repository, place: Place, moves: list[Move]) -> Verdict:
    default = door.hosted().default_branch(place.path)
    told = [_event(found, place, move, default) for move in moves]
    with transaction.atomic():
        if (begun := _begun(found, told)) is not None:
            return begun
    assert found.pod is not None
    own = receive.receive(pod_id=found.pod.pk, provider=PROVIDER, delivery="", told=told, by=found.user)
    return receive.together([own, *_of_staging(found, found.pod, told)])


def _of_staging(found: Repository, parent: Pod, told: list[Push]) -> Iterator[Verdict]:
    """What the push is to the staging pods of `parent` that are built from the repository, as to those of any host."""
    for pod in concerned(found.team, told):
        if pod.parent_id != parent.pk:
            continue
        try:
            door.check_may_deploy(found, pod)
            verdict = receive.receive(pod_id=pod.pk, provider=PROVIDER, delivery="", told=told, by=found.user)
        except UserError as error:
            verdict = Verdict(str(error), Outcome.REFUSED)
        yield replace(verdict, words=f"{pod.name}: {verdict.words}")


def _event(found: Repository, place: Place, move: Move, default: str) -> Push:
    git = door.hosted()
    head = "" if move.gone else move.new
    before = move.old if move.old.strip("0") else ""
    tag = "" if move.branch else move.ref.removeprefix("refs/tags/")
    known = bool(head and before and move.branch)
    return Push(
        (found.url,),
        branch=move.branch,
        tag=tag,
        head=head,
        before=before,
        deleted=move.gone,
        default_branch=default,
        message=git.message(place.path, head)[:MESSAGE] if head and move.branch else "",
        pushed_at=int(time.time()),
        paths=git.between(place.path, before, head, PATHS) if known else None,
    )


def _begun(found: Repository, told: list[Push]) -> Verdict | None:
    """What is done for an app that was never deployed; None for one that was."""
    pod = found.pod or Pod.objects.filter(name=found.pod_name, team=found.team).first()
    base = door.base(pod) if pod else None
    if base and found.app in base.snapshot():
        return None
    draft = pod.draft.snapshot() if pod and pod.draft else {}
    push = _first(found, told, draft)
    if push is None:
        return Verdict("Nothing is deployed: the app's branch was not pushed.")
    pod = pod or pods.create_pod(team=found.team, name=found.pod_name, by=found.user)
    waits = bool(base and draft)  # what others have changed is not deployed by a push
    _into_draft(found, pod, push)
    if is_skipped(push):
        verdict = Verdict(f"Skipped, as the commit's message asks: {found.app} is in the draft of {pod.name}.")
    elif waits:
        words = f"{found.app} is in the draft of {pod.name}, which has other changes: review and deploy it there."
        verdict = Verdict(words)
    else:
        verdict = _deploy(found, pod, push)
    receive.keep(pod, PROVIDER, "", push, verdict)
    return verdict


def _first(found: Repository, told: list[Push], draft: dict[str, Resource]) -> Push | None:
    """The push of the branch that the app follows."""
    resource = draft.get(found.app)
    said = resource.spec.get("source", {}).get("branch", "") if resource else ""
    return next((one for one in told if one.head and one.branch and one.branch == (said or one.default_branch)), None)


def _into_draft(found: Repository, pod: Pod, push: Push) -> None:
    """The app at the pushed commit, and where the pod has no route yet, one that leads to it."""
    draft = pods.draft(pod=pod, by=found.user).snapshot()
    there = draft.get(found.app)
    if there:
        spec = there.spec | {"source": there.spec.get("source", {}) | {"commit": push.head}}
    else:
        spec = {"source": {"repo": found.url, "branch": push.branch, "commit": push.head}}
    pods.save_resource(pod=pod, kind="App", name=found.app, spec=spec, by=found.user, create=there is None)
    if there is None and not any(resource.kind == "Route" for resource in draft.values()):
        rules = {"rules": [{"path": "/", "app": found.app}]}
        pods.save_resource(pod=pod, kind="Route", name=_free(draft), spec=rules, by=found.user, create=True)


def _free(taken: dict[str, Resource]) -> str:
    return next(name for name in (ROUTE, *(f"{ROUTE}-{n}" for n in range(2, 200))) if name not in taken)


def _deploy(found: Repository, pod: Pod, push: Push) -> Verdict:
    title = push.message.strip().partition("\n")[0]
    summary = f"{found.app} at {push.head[:SHORT]}" + (f": {title}" if title else "")
    revision = pods.seal(pod=pod, summary=summary[:200], by=found.user)
    row = deployments.start(pod=pod, revision=revision, trigger=Trigger.PUSH, by=found.user)
    return Verdict(f"Deploying {found.app} at {push.head[:SHORT]}.", Outcome.DEPLOYING, row, 202)
