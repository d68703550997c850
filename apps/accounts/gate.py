"""The one place that says who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.accounts.models import Team, User
from apps.accounts.roles import Role
from apps.core.errors import NotFound, UserError

__all__ = ["Access", "Role", "access", "require"]


@dataclass(frozen=True, slots=True)
class Access:
    """What `user` may do in `team`; holding one proves that the gate was passed."""

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
            f"This needs the role {needs.label.lower()} in the team; yours is {role.label.lower()}.",
            "Ask an admin of the team for it.",
            status=403,
        )


def access(user: Any, team: Team, needs: Role = Role.VIEWER) -> Access:
    """The access of `user` to `team`.

    Raises NotFound for who is no member (the same as for a team that does not exist), UserError `forbidden` (403) for
    a role below `needs`.
    """
    role = team.role_of(user) if user.is_authenticated and user.is_active else None
    if role is None:
        raise NotFound("such team")
    require(role, needs)
    return Access(user, team, role)
