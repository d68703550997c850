"""Deployments by number, message and who asked for them; commits by hash, message and author.

Numbers and hashes are answered by indexes. Words of messages are looked for in the newest RECENT rows, and where the
question names pods, in all of theirs: so that it takes as long with a hundred thousand revisions as with a few.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from django.db.models import Max, Model, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import In

from apps.accounts.models import User
from apps.builds.models import Build
from apps.dashboard.environment import url
from apps.dashboard.search.asked import Asked
from apps.dashboard.search.words import BEGINS, WITHIN, WORD, Hit, fit
from apps.deployments.models import Deployment
from apps.pods.models import Revision

EACH = 6
FEW = 20  # pods whose whole history is looked at
RECENT = 10_000
_NUMBER = re.compile(r"(?:v|#)?(\d{1,9})")
_HASH = re.compile(r"[0-9a-f]{4,64}")

T = TypeVar("T", bound=Model)
OneRevision = tuple[int, str, int | None, str]


def deployments(asked: Asked) -> Iterator[Hit]:
    """The newest deployment of each revision that fits; a revision that was never deployed stands for itself."""
    for pods, words in asked.readings:
        numbers = [int(number[1]) for word in words if (number := _NUMBER.fullmatch(word))]
        sealed = Revision.objects.filter(sealed_at__isnull=False)
        found = _rows(sealed.filter(pod__in=pods, version__in=numbers)) if len(numbers) == len(words) else []
        rank = BEGINS if found else WITHIN
        found = found or _rows(_said(_newest(sealed, "pod", pods), words, ("summary",), _people(asked, words)))
        if found:
            yield from _shown(asked, found, rank)
            return


def commits(asked: Asked) -> Iterator[Hit]:
    """Builds by the commit they are pinned to, by its message and author."""
    for pods, words in asked.readings:
        if len(words) == 1 and _HASH.fullmatch(words[0]):
            # Digits and a-f sort alike everywhere: a range is answered by the index, LIKE not on every database.
            found, rank = Build.objects.filter(commit__gte=words[0], commit__lt=words[0] + "g"), WORD
        else:
            rows = _newest(Build.objects.exclude(commit=""), "revision__pod", pods).order_by("-pk")
            found, rank = _said(rows, words, ("message", "author"), ()), WITHIN
        hits = list(_commits(asked, found, set(pods), rank))
        if hits:
            yield from hits
            return


def _commits(asked: Asked, found: QuerySet[Build, Any], pods: set[str], rank: int) -> Iterator[Hit]:
    seen = set()
    fields = ("pk", "revision__pod_id", "revision__version", "app", "commit", "message", "author")
    for _, pod_id, version, app, commit, message, author in sorted(found.values_list(*fields)[:200], reverse=True):
        if version and pod_id in pods and (pod_id, app, commit) not in seen:
            seen.add((pod_id, app, commit))
            pod = asked.pods[pod_id].name
            detail = ", ".join(part for part in (f"{app} in {pod} v{version}", author) if part)
            title = f"{commit[:7]} {message}".strip()
            yield Hit(title, url("revision", pod, version), "git-commit", detail, rank)
        if len(seen) == EACH:
            return


def recent(asked: Asked, most: int) -> list[tuple[str, Hit]]:
    """The newest deployments of the person's pods, one a pod, with the pod's id."""
    rows = Deployment.objects.alias(whose=_whose("pod")).filter(whose__in=list(asked.pods)).order_by("-pk")
    fields = ("pk", "pod_id", "state", "revision__version", "revision__summary")
    found: dict[str, Hit] = {}
    for pk, pod_id, state, version, summary in rows.values_list(*fields)[:50]:
        if pod_id not in found and len(found) < most:
            found[pod_id] = _hit(asked.pods[pod_id].name, version, summary, state, pk, WORD)
    return list(found.items())


def _whose(pod: str) -> Coalesce:
    """The pod's id, not by its index: SQLite would take that, and sort all of the pods' rows to have the newest."""
    return Coalesce(f"{pod}_id", Value(""))


def _newest(rows: QuerySet[T, T], pod: str, pods: list[str]) -> QuerySet[T, T]:
    """Those of `pods`: all if they are a few, else those among the newest RECENT."""
    if len(pods) <= FEW:
        return rows.filter(**{f"{pod}__in": pods})
    newest = rows.order_by().aggregate(newest=Max("pk"))["newest"] or 0
    return rows.filter(In(_whose(pod), pods), pk__gt=newest - RECENT)


def _said(rows: QuerySet[T, T], words: Iterable[str], fields: Iterable[str], people: Iterable[int]) -> QuerySet[T, T]:
    """Rows in which each word stands in one of `fields`, and all by one of `people`."""
    said = Q()
    for word in words:
        either = Q()
        for field in fields:
            either |= Q(**{f"{field}__icontains": word})
        said &= either
    people = list(people)
    return rows.filter(said | Q(author__in=people) if people else said)


def _people(asked: Asked, words: Iterable[str]) -> list[int]:
    """Members of the person's teams whose name the words are."""
    rows = User.objects.filter(memberships__team__in=list(asked.teams)).distinct().order_by("pk")
    return [pk for pk, name, email in rows.values_list("pk", "name", "email") if _is(words, name, email)]


def _is(words: Iterable[str], name: str, email: str) -> bool:
    rank = fit(words, name, email.partition("@")[0])
    return rank is not None and rank <= WORD


def _rows(rows: QuerySet[Revision]) -> list[OneRevision]:
    return list(rows.order_by("-pk").values_list("pk", "pod_id", "version", "summary")[:EACH])


def _shown(asked: Asked, found: list[OneRevision], rank: int) -> Iterator[Hit]:
    deployed = Deployment.objects.filter(revision__in=[row[0] for row in found]).order_by("pk")
    newest = {revision: (pk, state) for revision, pk, state in deployed.values_list("revision_id", "pk", "state")}
    for revision, pod_id, version, summary in found:
        pk, state = newest.get(revision, ("", ""))
        yield _hit(asked.pods[pod_id].name, version, summary, state, pk, rank)


def _hit(pod: str, version: int | None, summary: str, state: str, pk: str, rank: int) -> Hit:
    address = url("deployment", pod, pk) if pk else url("revision", pod, version)
    return Hit(f"v{version} {summary}".strip(), address, "rocket" if pk else "history", f"{pod} {state}".strip(), rank)
