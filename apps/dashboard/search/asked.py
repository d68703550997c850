"""A question of one person, and the pods and teams it can be about: three queries, whatever is looked for."""

from __future__ import annotations

import functools
from typing import NamedTuple

from django.db.models import OuterRef, Subquery

from apps.accounts.models import Membership, User
from apps.accounts.roles import Role
from apps.dashboard.search.words import fit, words_of
from apps.pods.models import Pod, PodRole, Revision


class OneTeam(NamedTuple):
    name: str
    slug: str
    role: Role


class OnePod(NamedTuple):
    """`role` is what the person may in it; `revisions` are those that say what it is made of now."""

    id: str
    name: str
    team: OneTeam
    role: Role
    live: int | None
    revisions: tuple[int, ...]
    has_draft: bool


class Asked:
    def __init__(self, user: User, text: str) -> None:
        self.user = user
        self.words = words_of(text)

    @functools.cached_property
    def teams(self) -> dict[int, OneTeam]:
        rows = Membership.objects.filter(user=self.user, user__is_active=True).order_by("team__name")
        return {
            pk: OneTeam(name, slug, Role(role))
            for pk, name, slug, role in rows.values_list("team_id", "team__name", "team__slug", "role")
        }

    @functools.cached_property
    def pods(self) -> dict[str, OnePod]:
        """Those of the person's teams that are not being deleted, by their ids, in the order of their names."""
        roles = dict(PodRole.objects.filter(membership__user=self.user).values_list("pod_id", "role"))
        draft = Revision.objects.filter(pod=OuterRef("pk"), sealed_at=None).values("pk")[:1]
        rows = (
            Pod.objects.filter(team__in=self.teams, deleting_at=None)
            .annotate(draft_id=Subquery(draft))
            .order_by("name")
            .only("name", "team_id", "live_id", "head_id", "lineage", "parent_id")
        )
        found = {}
        for pod in rows:
            team = self.teams[pod.team_id]
            own = Role(roles[pod.roles_from]) if pod.roles_from in roles and team.role < Role.ADMIN else team.role
            now = tuple({one for one in (pod.draft_id, pod.head_id, pod.live_id) if one})
            found[pod.pk] = OnePod(pod.pk, pod.name, team, own, pod.live_id, now, pod.draft_id is not None)
        return found

    @functools.cached_property
    def readings(self) -> list[tuple[list[str], tuple[str, ...]]]:
        """Pods with the words to look for in them.

        First with the words that name pods taken as that (`shop fix`), then with all of them as what was said anywhere.
        """
        named: dict[str, set[str]] = {}
        for word in self.words:
            pods = {pod.id for pod in self.pods.values() if fit([word], pod.name) is not None}
            if pods and not word.lstrip("v#").isdigit():
                named[word] = pods
        rest = tuple(word for word in self.words if word not in named)
        both = [(sorted(set.intersection(*named.values())), rest)] if named and rest else []
        return [*both, (list(self.pods), self.words)]
