"""Roles in single pods: given and taken back by a team's admins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from apps.accounts import gate
from apps.accounts.models import Membership
from apps.accounts.roles import Role
from apps.audit import trail
from apps.core.errors import Conflict, Detail, Invalid, NotFound
from apps.pods.models import Pod, PodRole

if TYPE_CHECKING:
    from apps.accounts.models import User

OFFERED = (Role.VIEWER, Role.DEVELOPER, Role.ADMIN)  # owning is of the team


@transaction.atomic
def give_role(*, membership: Membership, pod: Pod, role: Role | None, by: User) -> None:
    """Have the member be `role` in `pod`, whatever they are in the team; None: what they are in the team.

    Raises Invalid naming `role`, Conflict("role_everywhere") for admins and owners of the team,
    Conflict("role_of_parent") for a preview, NotFound for another team's pod, UserError `forbidden`: making admins
    takes an owner, as in the team.
    """
    access = gate.access(by, membership.team, Role.ADMIN)
    if pod.team_id != membership.team_id:
        raise NotFound("such pod in this team")
    if pod.parent and pod.roles_from != pod.pk:
        words = f"{pod.name} is a preview: who may do what there is said in {pod.parent.name}."
        raise Conflict("role_of_parent", words, f"Change the role in {pod.parent.name}.")
    if role is not None and role not in OFFERED:
        raise Invalid([Detail("role", f"must be one of {', '.join(OFFERED)}, or that of the team.")])
    membership = Membership.objects.select_for_update().select_related("user").get(pk=membership.pk)
    if Role(membership.role) >= Role.ADMIN:
        words = f"{membership.user.name} is {Role(membership.role).label.lower()} of the team, and that in every pod."
        raise Conflict("role_everywhere", words, "Change the role in the team first.")
    before = PodRole.objects.filter(membership=membership, pod=pod).first()
    if Role.ADMIN in (role, before.role if before else None):
        gate.require(access.role, Role.OWNER)
    if role is None:
        PodRole.objects.filter(membership=membership, pod=pod).delete()
    else:
        PodRole.objects.update_or_create(membership=membership, pod=pod, defaults={"role": role})
    trail.note(
        "member.pod_role", by=by, about=pod, part=membership.user.email,
        before=before.role if before else "as in the team", role=role or "as in the team",
    )  # fmt: skip
