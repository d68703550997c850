"""Who builds what next: the slots of teams, the minutes of their plans, and the builders of each region.

A deployment that has to build waits until it is given a builder; `waits_for` says what is missing. Every look gives
out all there is to give, in one transaction: first what lost its builder on the way, then the teams with the least
under way, and in a team the oldest. A builder that has died, or that was told and did not begin, gives back what it
had: the lease of a deployment is what keeps it from being worked on twice, so that giving it out twice harms nobody.
"""

from __future__ import annotations

import datetime
from collections import Counter

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.builds import fleet, usage
from apps.builds.models import Build, Builder
from apps.deployments import wake
from apps.deployments.events import changed
from apps.deployments.models import OPEN_STATES, Deployment

BEGIN = datetime.timedelta(seconds=15)  # within which a builder that was told begins, or somebody else is told

REGIONAL = ("builder", "region", "daemon")  # what the deployments of one region wait for together
UNBUILT = Exists(Build.objects.filter(revision=OuterRef("revision"), artifact=None))


def needs_builder(deployment: Deployment) -> bool:
    return deployment.built_at is None and deployment.revision.builds.filter(artifact=None).exists()


def assign(here: str = "") -> list[Deployment]:
    """Give builders to those who wait for one and tell the builders; those that were given one.

    `here`: the deployment that the caller goes on with itself, if its own builder was chosen.
    """
    with transaction.atomic():
        builders = list(Builder.objects.select_for_update())  # one dispatcher at a time
        given = _Round([b for b in builders if b.alive and not b.draining], _open()).give()
        for deployment in given:
            assert deployment.builder is not None
            if deployment.pk == here and deployment.builder.name == settings.BRAINPOD.builder_name:
                continue
            wake.wake(wake.RUN, deployment.pk, queue=deployment.builder.queue)
    return given


def _open() -> list[Deployment]:
    rows = Deployment.objects.filter(state__in=OPEN_STATES, pod__deleting_at=None, cancel_at=None)
    return list(rows.select_related("pod__team", "builder", "revision").annotate(unbuilt=UNBUILT).order_by("id"))


class _Round:
    """One look at everything that is open: what is taken, and who may have what is left."""

    def __init__(self, builders: list[Builder], rows: list[Deployment]) -> None:
        self.builders = builders
        self._usable: dict[str, list[Builder]] = {}  # by engine
        self.regions = {b.region for b in builders}
        self.load: Counter[int] = Counter()  # builder → deployments
        self.teams: Counter[int] = Counter()  # team → deployments that are being built
        self.waiting: list[Deployment] = []
        busy = {row.pod_id for row in rows if row.state != "waiting"}
        now = timezone.now()
        for row in rows:
            if row.builder is not None and self._has_it(row, now):
                self._take(row, row.builder)
            elif row.unbuilt and not row.held and (row.state != "waiting" or row.pod_id not in busy):  # type: ignore[attr-defined]
                self.waiting.append(row)
        self._spent: dict[int, bool] = {}

    def _has_it(self, row: Deployment, now: datetime.datetime) -> bool:
        """Whether the builder of `row` works on it, or has just been told and did not end since, nor its process."""
        if row.builder is None or (row.built_at and row.builder.dedicated):
            return False
        if row.held or row.built_at:
            return True
        told, begun = row.assigned_at, row.builder.started_at
        lost = row.leased_until is not None or (told is not None and begun is not None and begun > told)
        return row.builder in self._able(row) and told is not None and told > now - BEGIN and not lost

    def _able(self, row: Deployment) -> list[Builder]:
        """Who may build for the engine of `row`."""
        engine = row.revision.engine
        if engine not in self._usable:
            self._usable[engine] = fleet.usable(self.builders, engine)
        return self._usable[engine]

    def _take(self, row: Deployment, builder: Builder) -> None:
        self.load[builder.pk] += 1
        if row.built_at is None:
            self.teams[row.pod.team_id] += 1

    def give(self) -> list[Deployment]:
        given = []
        while self.waiting:
            self.waiting.sort(key=lambda row: (row.state == "waiting", self.teams[row.pod.team_id], row.pk))
            row = self.waiting.pop(0)
            missing = self._missing(row)
            builder = None if missing else fleet.choose(self._able(row), row.pod.region, self.load)
            if builder is None:
                self._wait(row, missing or "builder")
                continue
            row.builder, row.assigned_at, row.waits_for = builder, timezone.now(), ""
            row.save(update_fields=["builder", "assigned_at", "waits_for"])
            if row.leased_until:  # of a process that died; whoever takes the row raises the fence
                Deployment.objects.filter(pk=row.pk, fence=row.fence).update(leased_until=None)
            self._take(row, builder)
            given.append(row)
        return given

    def _missing(self, row: Deployment) -> str:
        """What its team, or its region, has none of. One that lost its builder has its slot and its minutes already."""
        if row.state == "waiting":
            team = row.pod.team
            slots = team.limits.slots
            if slots is not None and self.teams[team.pk] >= slots:
                return "slot"
            if team.pk not in self._spent:
                self._spent[team.pk] = usage.exhausted(team)
            if self._spent[team.pk]:
                return "minutes"
        if any(b.region == row.pod.region for b in self._able(row)):
            return ""
        return "daemon" if row.pod.region in self.regions else "region"

    def _wait(self, row: Deployment, what: str) -> None:
        if row.waits_for != what or row.builder_id is not None:
            row.builder, row.waits_for = None, what
            row.save(update_fields=["builder", "waits_for"])
            changed(row.pod_id, row.pk)


def ahead(deployment: Deployment) -> int:
    """How many wait for the same thing and were there before."""
    rows = Deployment.objects.filter(state__in=OPEN_STATES, waits_for=deployment.waits_for, pk__lt=deployment.pk)
    pod = deployment.pod
    same = Q(pod__region=pod.region) if deployment.waits_for in REGIONAL else Q(pod__team=pod.team_id)
    return rows.filter(same, cancel_at=None).count()
