"""What can be done with people and teams. Keyword-only, atomic; `by` is who does it."""

from __future__ import annotations

import datetime

from django.contrib.auth import update_session_auth_hash
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from apps.accounts import gate, tokens
from apps.accounts.labels import check_email, check_label, check_password
from apps.accounts.models import Invitation, Membership, SignIn, SignInLink, Team, User
from apps.accounts.roles import Role
from apps.audit import trail
from apps.core.errors import Conflict, Detail, Invalid, NotFound, UserError

INVITATION_LASTS = datetime.timedelta(days=7)
SLUGS_TRIED = 20  # as many teams of one name may be made at the same moment


@transaction.atomic
def create_team(*, name: str, by: User) -> Team:
    """A team that `by` owns. Raises Invalid naming `name`, Conflict("name_taken")."""
    team = _new_team(check_label(name))
    Membership.objects.create(team=team, user=by, role=Role.OWNER)
    trail.note("team.make", by=by, about=team)
    return team


def _new_team(name: str) -> Team:
    """A slug that was free may be taken by the time it is written: the next free one then."""
    for _ in range(SLUGS_TRIED):
        try:
            with transaction.atomic():
                return Team.objects.create(name=name, slug=Team.free_slug(name))
        except IntegrityError:
            continue
    raise Conflict("name_taken", f"Many teams called {name} are being made now.", "Choose another name, or try again.")


@transaction.atomic
def rename_team(*, team: Team, name: str, by: User) -> None:
    """The slug stays: addresses do not change. Raises Invalid naming `name`."""
    gate.access(by, team, Role.ADMIN)
    before, team.name = team.name, check_label(name)
    team.save(update_fields=["name"])
    trail.note("team.rename", by=by, about=team, before=before)


@transaction.atomic
def require_second_factor(*, team: Team, required: bool, by: User) -> None:
    """Whether members need a second factor to enter. Raises Conflict `no_second_factor` if `by` has none."""
    gate.access(by, team, Role.OWNER)
    if required and not by.has_second_factor():
        words = "You have no second factor yourself: you would be the first who cannot enter."
        raise Conflict("no_second_factor", words, "Set one up first: Account, Second factor.")
    team.requires_second_factor = required
    team.save(update_fields=["requires_second_factor"])
    trail.note("team.second_factor", by=by, about=team, required=required)


@transaction.atomic
def create_first_user(*, token: str, email: str, name: str, password: str) -> User:
    """The operator, owner of the team `home`, by the console's link. Raises NotFound for a link that is none."""
    email, name = check_email(email), check_label(name)
    check_password(password, user=User(email=email, name=name))
    link = SignInLink.objects.holding(token)
    if link is None or link.user_id is not None or User.objects.exists() or not SignInLink.objects.use_up(link):
        raise NotFound("such link, or it was used or has expired")
    user = User.objects.create_superuser(email, password, name=name)
    waiting = Team.objects.filter(slug="home", memberships=None).first()  # made with the demo pod
    if waiting:
        Membership.objects.create(team=waiting, user=user, role=Role.OWNER)
    else:
        create_team(name="home", by=user)
    return user


def invite(*, team: Team, email: str, role: Role, by: User) -> tuple[Invitation, str]:
    """An invitation and the token of its link, which replaces an earlier one for the same address."""
    access = gate.access(by, team, Role.ADMIN)
    _may_hand_out(access, role)
    email = check_email(email)
    if team.memberships.filter(user__email=email).exists():
        raise Invalid([Detail("email", f"{email} is a member already.")], code="already_member")
    with transaction.atomic():
        team.invitations.filter(email=email).delete()
        made, token = Invitation.issue(lasts=INVITATION_LASTS, team=team, email=email, role=role, invited_by=by)
        trail.note("invitation.make", by=by, about=made, name=email, role=role)
    return made, token


@transaction.atomic
def withdraw(*, invitation: Invitation, by: User) -> None:
    gate.access(by, invitation.team, Role.ADMIN)
    trail.note("invitation.withdraw", by=by, about=invitation, name=invitation.email)
    invitation.delete()


@transaction.atomic
def accept(*, invitation: Invitation, user: User) -> Membership:
    """Make `user` a member. The link alone is not enough: it must be the account of the invited address."""
    if user.email != invitation.email:
        raise UserError(
            "wrong_account",
            f"This invitation is for {invitation.email}; you are signed in as {user.email}.",
            "Sign out and open the link again.",
            status=403,
        )
    if not Invitation.objects.use_up(invitation):
        raise NotFound("such invitation, or it was used or has expired")
    tokens.revoke_left_behind(by=user, user=user, team=invitation.team)
    try:
        with transaction.atomic():
            made = Membership.objects.create(team=invitation.team, user=user, role=invitation.role)
    except IntegrityError:
        raise Conflict("already_member", "You are a member of this team already.") from None
    trail.note("invitation.accept", by=user, about=made, name=user.email, role=made.role)
    return made


@transaction.atomic
def accept_as_new_user(*, invitation: Invitation, name: str, password: str) -> User:
    """An account for the invited address, which has none yet, and its membership."""
    name = check_label(name)
    check_password(password, user=User(email=invitation.email, name=name))
    try:
        with transaction.atomic():
            user = User.objects.create_user(invitation.email, password, name=name)
    except IntegrityError:
        words = f"{invitation.email} has an account."
        raise Conflict("account_exists", words, "Sign in and open the link again.") from None
    accept(invitation=invitation, user=user)
    return user


@transaction.atomic
def change_role(*, membership: Membership, role: Role, by: User) -> None:
    """Raises UserError `forbidden` for roles above one's power, Conflict `last_owner` for the last owner's."""
    access = gate.access(by, _locked(membership.team), Role.ADMIN)
    membership.refresh_from_db()
    _may_hand_out(access, Role(membership.role))
    _may_hand_out(access, role)
    if role != Role.OWNER:
        _check_owner_left(membership)
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    trail.note("member.role", by=by, about=membership, name=membership.user.email, before=before, role=role)


@transaction.atomic
def remove_member(*, membership: Membership, by: User) -> None:
    """Everybody may leave; removing others takes an admin. The person's tokens of the team are revoked.

    Raises Conflict `last_owner` for the last owner.
    """
    leaving = membership.user_id == by.pk
    access = gate.access(by, _locked(membership.team), Role.VIEWER if leaving else Role.ADMIN)
    membership.refresh_from_db()
    if not leaving:
        _may_hand_out(access, Role(membership.role))
    _check_owner_left(membership)
    trail.note("member.remove", by=by, about=membership, name=membership.user.email, role=membership.role)
    membership.delete()
    tokens.revoke_left_behind(by=by, user=membership.user_id, team=membership.team_id)


def _locked(team: Team) -> Team:
    """Serialises changes of one team's members: two owners leaving at once must not both succeed."""
    return Team.objects.select_for_update().get(pk=team.pk)


def _may_hand_out(access: gate.Access, role: Role) -> None:
    if role >= Role.ADMIN:
        gate.require(access.role, Role.OWNER)


def _check_owner_left(membership: Membership) -> None:
    others = membership.team.memberships.filter(role=Role.OWNER, user__is_active=True).exclude(pk=membership.pk)
    if membership.role == Role.OWNER and not others.exists():
        raise Conflict("last_owner", "A team cannot be without an owner.", "Make somebody else an owner first.")


@transaction.atomic
def rename_user(*, user: User, name: str) -> None:
    before, user.name = user.name, check_label(name)
    user.save(update_fields=["name"])
    trail.note("account.name", by=user, about=user, name=user.email, before=before)


def choose_theme(*, user: User, theme: str) -> None:
    if theme not in User.Theme.values:
        raise Invalid([Detail("theme", f"must be one of {', '.join(User.Theme.values)}.")])
    user.theme = theme
    user.save(update_fields=["theme"])


def change_password(*, user: User, current: str, new: str, request: HttpRequest) -> None:
    """Ends every other session of `user` and gives this one a new key. Raises Invalid naming the field."""
    if not user.check_password(current[:1000]):
        raise Invalid([Detail("current", "is not your password.")])
    check_password(new, "new", user=user)
    with transaction.atomic():
        user.set_password(new)
        user.save(update_fields=["password"])
        user.sign_in_links.all().delete()
        end_others(user, request.session.session_key)
        old_key = request.session.session_key
        update_session_auth_hash(request, user)
        SignIn.objects.filter(session_key=old_key).update(session_key=request.session.session_key)
        trail.note("account.password", by=user, about=user, name=user.email)


def end_others(user: User, kept: str | None) -> None:
    """Sign all browsers of `user` out but the one whose session has the key `kept`."""
    for sign_in in user.sign_ins.exclude(session_key=kept or ""):
        sign_in.end()


@transaction.atomic
def end_other_sessions(*, user: User, kept: str | None) -> None:
    trail.note("session.end_others", by=user, about=user, name=user.email)
    end_others(user, kept)


@transaction.atomic
def end_session(*, sign_in: SignIn, by: User) -> None:
    """Sign that browser out at its next request."""
    trail.note("session.end", by=by, about=sign_in, name=sign_in.user.email, browser=sign_in.agent[:80])
    sign_in.end()
