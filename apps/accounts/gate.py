"""The one place that says who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import FilteredRelation, Q

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.core.errors import NotFound, UserError

__all__ = ["Access", "Role", "access", "pod_access", "require"]


@dataclass(frozen=True, slots=True)
class Access:
    """What `user` may do in `team`, or in one pod of it; holding one proves that the gate was passed."""

    user: User
    team: Team
    role: Role

    def may(self, role: Role) -> bool:
        return self.role >= role


def require(role: Role, needs: Role) -> None:
    """Raise UserError `forbidden` (403) if `role` is below `needs`."""
    if role < needs:
        raise UserError(
            "forbidden",
            f"This needs the role {needs.label.lower()}; yours is {role.label.lower()}.",
            "Ask an admin of the team for it.",
            status=403,
        )


def admit(user: Any, team: Team) -> None:
    """Raise UserError `second_factor_required` (403) if `team` wants one of its members and `user` has none.

    Here, so that it holds for pages, sockets and the tokens of programs alike.
    """
    if team.requires_second_factor and not user.has_second_factor():
        raise UserError(
            "second_factor_required",
            f"{team.name} is open to members with a second factor, and you have none yet.",
            "Set up an authenticator app or a passkey: Account, Second factor.",
            status=403,
        )


def access(user: Any, team: Team, needs: Role = Role.VIEWER) -> Access:
    """The access of `user` to `team`.

    Raises NotFound for who is no member (the same as for a team that does not exist), what `admit` raises, UserError
    `forbidden` (403) for a role below `needs`.
    """
    role = team.role_of(user) if user.is_authenticated and user.is_active else None
    if role is None:
        raise NotFound("such team")
    admit(user, team)
    require(role, needs)
    return Access(user, team, role)


def pod_access(user: Any, pod: Any, needs: Role = Role.VIEWER) -> Access:
    """The access of `user` to `pod`, by the role they have in it, else in its team. Raises what `access` does.

    Whoever works with a pod passes here, not through its team: a member may have less in it, or more.
    """
    role = role_in(user, pod)
    if role is None:
        raise NotFound("such pod")
    admit(user, pod.team)
    require(role, needs)
    return Access(user, pod.team, role)


def role_in(user: Any, pod: Any) -> Role | None:
    """None for who is not in the pod's team. Admins and owners of a team are that in all of its pods."""
    if not (user.is_authenticated and user.is_active):
        return None
    rows = pod.team.memberships.filter(user_id=user.pk, user__is_active=True)
    here = FilteredRelation("pod_roles", condition=Q(pod_roles__pod=pod.roles_from))
    found = rows.annotate(here=here).values_list("role", "here__role").first()
    if found is None:
        return None
    in_team, in_pod = found
    return Role(in_team) if Role(in_team) >= Role.ADMIN or not in_pod else Role(in_pod)
