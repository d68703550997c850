"""A delivery whose signature was right: judged, acted on, and written down, in one transaction.

Nothing here waits for anything but the database, so the answer is the verdict and no queue can lose it. The pod's row
is locked: of a hundred identical deliveries at once the first deploys, the others find its mark. What asks for nothing
is judged without the lock and only written down with it: most deliveries are such, and those who write wait in a queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts.models import User
from apps.audit import trail
from apps.core.errors import Conflict, UserError
from apps.deployments import actions as deployments
from apps.deployments.models import Deployment, Trigger
from apps.hooks import events
from apps.hooks.following import Follower, News, built_from, follower, follows, is_older, is_skipped, news
from apps.hooks.keys import POD
from apps.hooks.models import Outcome, Receipt, Tip, Webhook
from apps.hooks.providers.base import Event, Other, Ping, Push
from apps.hooks.repositories import repositories
from apps.pods.models import Pod, Resource, Revision
from apps.previews.following import follow
from apps.previews.pull_requests import PullRequest

KEPT = 100  # receipts of one pod
UNSIGNED_KEPT = 20  # and of those that nobody signed, so that they push no other out
SHORT = 7  # characters of a commit that people read


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status`: how HTTP says the same."""

    words: str
    outcome: Outcome = Outcome.NOTHING
    deployment: Deployment | None = None
    status: int = 200


def receive(
    *, pod_id: str, provider: str, delivery: str, told: Sequence[Event], by: User | None = None, app: str = ""
) -> Verdict:
    """Do what each of `told` asks for and keep a Receipt of it. What cannot be done is a verdict too.

    `by`: who pushed, where the platform knows. `app`: the only one that is judged; empty: every one.
    """
    told = told or (Other("a delivery that tells of nothing"),)
    seen = Pod.objects.select_related("live", "head").filter(pk=pod_id, deleting_at=None).first()
    idle = [_idle(seen, event, app) for event in told] if seen else []
    with transaction.atomic():
        pod = seen if all(idle) else Pod.objects.select_for_update().filter(pk=pod_id, deleting_at=None).first()
        if pod is None:
            return Verdict("This pod is being deleted: nothing is deployed any more.", Outcome.REFUSED, status=409)
        verdicts = []
        for event, verdict in zip(told, idle, strict=True):
            verdicts.append(verdict if verdict and pod is seen else _judged(pod, event, app, by=by))
            keep(pod, provider, delivery, event, verdicts[-1], app=app)
        return together(verdicts)


@transaction.atomic
def redeliver(*, receipt: Receipt, by: User) -> Verdict:
    """Judge once more what came in, with a Receipt of its own. Raises Conflict("webhook_not_kept")."""
    pod = Pod.objects.select_for_update().get(pk=receipt.pod_id)
    if pod.deleting_at:
        raise Conflict("pod_deleting", f"{pod.name} is being deleted.", "Nothing in it can be changed any more.")
    if receipt.event is None:
        raise Conflict("webhook_not_kept", "What this delivery told was not kept.", "Redeliver it at the git host.")
    event = events.read(receipt.event)
    app = receipt.event.get("app", "")
    verdict = _judged(pod, event, app, again=True)
    keep(pod, receipt.provider, receipt.delivery, event, verdict, by, app)
    return verdict


def keep_unsigned(*, pod_id: str, provider: str, delivery: str, words: str) -> None:
    """Write down that a delivery's signature did not match, for those who wonder why nothing happens."""
    if not POD.fullmatch(pod_id) or not Webhook.objects.filter(pod=pod_id).exists():
        return
    Receipt.objects.create(
        pod_id=pod_id,
        provider=plain(provider, 20),
        delivery=plain(delivery, 64),
        outcome=Outcome.UNSIGNED,
        verdict=words,
    )
    forget(Receipt.objects.filter(pod=pod_id, outcome=Outcome.UNSIGNED), UNSIGNED_KEPT)


def _judged(pod: Pod, event: Event, only: str, *, again: bool = False, by: User | None = None) -> Verdict:
    try:
        with transaction.atomic():
            return _judge(pod, event, only, again, by)
    except UserError as error:
        return Verdict(f"Not deployed. {error}", Outcome.REFUSED, status=error.status)


def together(verdicts: list[Verdict]) -> Verdict:
    """The one that says most: something deploys, or something was refused; in the words of all."""
    telling = {Outcome.DEPLOYING: 2, Outcome.REFUSED: 1}
    first = max(verdicts, key=lambda verdict: telling.get(verdict.outcome, 0))
    return replace(first, words=" ".join(dict.fromkeys(verdict.words for verdict in verdicts)))


def _judge(pod: Pod, event: Event, only: str, again: bool, by: User | None) -> Verdict:
    match event:
        case Push():
            return _dismissed(event) or _follow(pod, event, only, again, by)
        case PullRequest():
            return _preview(pod, event, only, again)
    return _said(pod, event, only)


def _idle(pod: Pod, event: Event, only: str) -> Verdict | None:
    """The verdict on what changes nothing, by reading alone; None for what has to be judged with the pod locked."""
    match event:
        case Push():
            found = _dismissed(event) or _following(pod, event, only)
            return found if isinstance(found, Verdict) else None
        case PullRequest():
            return None
    return _said(pod, event, only)


def _said(pod: Pod, event: Ping | Other, only: str) -> Verdict:
    if isinstance(event, Ping):
        return Verdict(_greeting(pod, event, only))
    return Verdict(f"Nothing to do: {event.what}. Only pushes deploy, and pull requests have previews.")


def _preview(pod: Pod, pull: PullRequest, only: str, again: bool) -> Verdict:
    named = repositories(pull.repository_urls)
    if not named:
        return Verdict("Nothing to do: the pull request names no repository that can be reached.")
    apps = _built_from(pod.live, pull.repository_urls, only)
    found = follow(pod=pod, pull=pull, repository=named[0], apps=[app.name for app in apps], again=again)
    if found.acts:
        return Verdict(found.words, Outcome.DEPLOYING, status=202)
    return Verdict(found.words, Outcome.REFUSED if found.refused else Outcome.NOTHING)


def _greeting(pod: Pod, ping: Ping, only: str) -> str:
    base = base_of(pod)
    apps = _built_from(base, ping.repository_urls, only)
    if apps:
        return f"The webhook works: pushes deploy {_names([a.name for a in apps])} of {pod.name}."
    if base is None:
        return f"The webhook works. Nothing of {pod.name} was deployed yet: deploy its draft first."
    named = repositories(ping.repository_urls)
    where = named[0] if named else "a repository it names"
    return f"The webhook works, but {only or 'no app'} of {pod.name} is {'not ' if only else ''}built from {where}."


def _built_from(revision: Revision | None, urls: Sequence[str], only: str) -> list[Resource]:
    apps = built_from(revision.snapshot(), urls) if revision else []
    return [app for app in apps if only in ("", app.name)]


def _dismissed(push: Push) -> Verdict | None:
    """The verdict on a push that deploys nothing anywhere."""
    if push.tag:
        return Verdict(f"Nothing to do: {push.tag} is a tag. Only branches are deployed.")
    if push.deleted:
        return Verdict(f"Nothing to do: branch {push.branch} was deleted. What is live stays.")
    if is_skipped(push):
        return Verdict("Skipped, as the commit's message asks.")
    return None


def _following(pod: Pod, push: Push, only: str) -> Verdict | tuple[Revision, list[Resource]]:
    """What the push is compared with and the apps that follow its branch; or why none does."""
    base = base_of(pod)
    if base is None:
        return Verdict(f"Nothing of {pod.name} was deployed yet: deploy its draft first.")
    apps = _built_from(base, push.repository_urls, only)
    if not apps:
        named = repositories(push.repository_urls)
        where = named[0] if named else "the pushed repository"
        return Verdict(f"{only or 'No app'} of {pod.name} is {'not ' if only else ''}built from {where}.")
    if on_branch := [app for app in apps if follows(app, push)]:
        return base, on_branch
    watched = sorted({a.spec["source"].get("branch") or "the default branch" for a in apps})
    who = f"{_names([a.name for a in apps])} {'watches' if len(apps) == 1 else 'watch'}"
    words = f"No app watches branch {push.branch}: {who} {_names(watched)}."
    if not push.default_branch and not all(a.spec["source"].get("branch") for a in apps):
        words += " Which branch is the default one was not said: name it in the app's source."
    return Verdict(words)


def _follow(pod: Pod, push: Push, only: str, again: bool, by: User | None) -> Verdict:
    found = _following(pod, push, only)
    if isinstance(found, Verdict):
        return found
    base, apps = found
    tips = {tip.app: tip for tip in Tip.objects.filter(pod=pod)}
    commits = dict(base.builds.values_list("app", "commit"))
    on_branch = [follower(app, push, commits) for app in apps]
    judged = [(app, news(app, push, tips.get(app.app), again=again)) for app in on_branch]
    for app, what in judged:
        if what is not News.OLD and not (what is News.REPEATED and is_older(push, tips[app.app])):
            _mark(pod, app, push)
    due = [app.app for app, what in judged if what is News.DUE]
    if not due:
        return Verdict(_reasons(judged))
    deployment = _deploy(pod, base, due, push, by)
    return Verdict(f"Deploying {_names(due)} at {push.head[:SHORT]}.", Outcome.DEPLOYING, deployment, 202)


def base_of(pod: Pod) -> Revision | None:
    """What a push is compared with: what will be live soon, is live, or was deployed last."""
    return deployments.revision_under_way(pod) or pod.live or pod.head


def _mark(pod: Pod, app: Follower, push: Push) -> None:
    reached = {"repository": app.repo, "branch": app.branch, "head": push.head, "before": push.before}
    Tip.objects.update_or_create(pod=pod, app=app.app, defaults=reached | {"pushed_at": push.pushed_at})


def _deploy(pod: Pod, base: Revision, apps: list[str], push: Push, by: User | None) -> Deployment:
    title = push.message.strip().partition("\n")[0]
    summary = f"{_names(apps)} at {push.head[:SHORT]}" + (f": {title}" if title else "")
    commits = dict.fromkeys(apps, push.head)
    try:
        return deployments.deploy_commits(pod=pod, commits=commits, trigger=Trigger.PUSH, by=by, summary=summary)
    except Conflict as error:
        if error.code != "nothing_to_deploy" or pod.live is None or base == pod.live:
            raise
    # The branch went back to what is live while something else is on its way: what is live comes after it.
    return deployments.start(pod=pod, revision=pod.live, trigger=Trigger.PUSH, by=by)


def _reasons(judged: list[tuple[Follower, News]]) -> str:
    """`Nothing to deploy: api: it is at this commit already; web: …`"""
    grouped: dict[News, list[str]] = {}
    for app, found in judged:
        grouped.setdefault(found, []).append(app.app)
    return "Nothing to deploy: " + "; ".join(f"{found.value} ({_names(apps)})" for found, apps in grouped.items()) + "."


def _names(names: list[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def keep(
    pod: Pod, provider: str, delivery: str, event: Event, verdict: Verdict, by: User | None = None, app: str = ""
) -> None:
    named, head = about(event)
    kept = events.kept(event)
    Receipt.objects.create(
        pod=pod,
        provider=provider,
        delivery=plain(delivery, 64),
        about=plain(named, 250),
        head=head,
        outcome=verdict.outcome,
        verdict=plain(verdict.words, 500),
        deployment=verdict.deployment,
        event=kept | {"app": app} if kept and app else kept,
        again_by=by,
    )
    if by:
        trail.note("webhook.redeliver", by=by, about=pod, provider=provider, verdict=verdict.words)
    forget(Receipt.objects.filter(pod=pod).exclude(outcome=Outcome.UNSIGNED), KEPT)


def about(event: Event) -> tuple[str, str]:
    """What it is about, for people, and the commit."""
    match event:
        case Push():
            return event.branch or event.tag, event.head
        case PullRequest():
            return f"pull request {event.number}", event.head
    return "", ""


def forget(receipts: QuerySet[Any], most: int) -> None:
    """All but the newest `most`, in one statement."""
    newest = receipts.order_by("-id").values("pk")[most - 1 : most]
    receipts.filter(pk__lt=newest).delete()


def plain(text: str, longest: int) -> str:
    """`text` without what no page or database should be given, on one line."""
    return "".join(c if c.isprintable() else " " for c in text)[:longest]
