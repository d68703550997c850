"""Who uses the platform: people, teams, and the one-time links that let them in."""

from __future__ import annotations

import datetime
import hashlib
import secrets
from typing import Any, ClassVar, Self

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.sessions.models import Session
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.text import slugify

from apps.accounts.roles import Role
from apps.core.plans import SHIPPED, UNLIMITED, Plan, parse

RESERVED_SLUGS = frozenset({"new"})
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)  # recovery codes alone are none


def digest(token: str) -> str:
    """What is stored of a token: it has 256 random bits, so a plain hash cannot be searched backwards."""
    return hashlib.sha256(token.encode()).hexdigest()


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **(fields | {"is_staff": True, "is_superuser": True}))

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. `email` is kept in lower case; `is_staff` opens the operators' pages."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "System"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("operator", default=False)
    theme = models.CharField(max_length=6, choices=Theme.choices, default=Theme.SYSTEM)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name

    def has_second_factor(self) -> bool:
        """An authenticator app or a passkey: what is asked for after the password."""
        return Authenticator.objects.filter(user_id=self.pk, type__in=FACTORS).exists()


def admitted(user: int, team: str = "") -> Q:
    """Of teams, or of what has one at `team` (`team__`): where the person needs no second factor, or has one."""
    held = Exists(Authenticator.objects.filter(user_id=user, type__in=FACTORS))
    return Q(**{f"{team}requires_second_factor": False}) | Q(held)


class TeamQuerySet(models.QuerySet["Team"]):
    def of(self, user: Any) -> Self:
        """The teams `user` is a member of and may enter; none for the anonymous and the inactive."""
        return self.joined_by(user).filter(admitted(user.pk)) if user.is_authenticated else self.none()

    def joined_by(self, user: Any) -> Self:
        """The teams `user` is a member of, those too that ask for a second factor first."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        return self.filter(memberships__user=user)


class Team(models.Model):
    """Who owns pods. `slug` stands in addresses and never changes; `name` is free text."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=50, unique=True)
    plan = models.CharField(max_length=40, default=UNLIMITED)  # a name in BRAINPOD_PLANS
    requires_second_factor = models.BooleanField(
        default=False, db_default=False
    )  # of every member, see apps/accounts/gate.py
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def free_slug(cls, name: str) -> str:
        """A slug made of `name` that no team has yet."""
        base = slugify(name)[:40].strip("-_") or "team"
        taken = set(cls.objects.filter(slug__startswith=base).values_list("slug", flat=True)) | RESERVED_SLUGS
        number = 1
        while (slug := base if number == 1 else f"{base}-{number}") in taken:
            number += 1
        return slug

    @property
    def limits(self) -> Plan:
        """What the plan allows; one that the configuration has dropped limits nothing."""
        return parse(settings.BRAINPOD.plans).get(self.plan, SHIPPED[UNLIMITED])

    def role_of(self, user: Any) -> Role | None:
        role = self.memberships.filter(user_id=user.pk, user__is_active=True).values_list("role", flat=True).first()
        return Role(role) if role else None


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=9, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team} ({self.role})"


class OneTimeQuerySet(models.QuerySet[Any]):
    def open(self) -> Self:
        return self.filter(used_at__isnull=True, expires_at__gt=timezone.now())

    def holding(self, token: str) -> Any | None:
        """The open row that `token` belongs to."""
        return self.open().filter(digest=digest(token)).first()

    def use_up(self, row: models.Model) -> bool:
        """Mark `row` used; False if somebody else was faster or it expired."""
        return bool(self.open().filter(pk=row.pk).update(used_at=timezone.now()))


class OneTime(models.Model):
    """Something a token opens once. Only the token's hash is kept."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OneTimeQuerySet.as_manager()

    class Meta:
        abstract = True

    @classmethod
    def issue(cls, *, lasts: datetime.timedelta, **fields: Any) -> tuple[Self, str]:
        """A new row and its token, which exists nowhere else."""
        token = secrets.token_urlsafe(32)
        row = cls(digest=digest(token), expires_at=timezone.now() + lasts, **fields)
        row.save(force_insert=True)
        return row, token


class SignInLink(OneTime):
    """A link made on the console; without a user it makes the first one."""

    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="sign_in_links")

    def __str__(self) -> str:
        return f"sign-in link for {self.user or 'the first user'}"


class InvitationQuerySet(OneTimeQuerySet):
    def holding(self, token: str) -> Any | None:
        """The open one that `token` belongs to: of the link that was shown, or of the one that was sent."""
        return self.open().filter(Q(digest=digest(token)) | Q(mail_digest=digest(token))).first()


class Invitation(OneTime):
    """`email` says whom it was meant for; whoever has the link and an account with that address may accept it.

    `mail_next_at`: when it is sent by mail next; None: not any more, or never. `mail_digest`: of the token that was
    sent; `mail_failed`: why the last try did not get through (apps/notify/invitations.py).
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=9, choices=Role.choices)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    mail_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)
    mail_next_at = models.DateTimeField(null=True, editable=False)
    mail_tries = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    mail_failed = models.CharField(max_length=200, default="", db_default="", blank=True, editable=False)
    mailed_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[InvitationQuerySet] = InvitationQuerySet.as_manager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.email} to {self.team} as {self.role}"


class SignIn(models.Model):
    """One session of a person: what the account page lists and ends."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)  # some minutes exact

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.user} from {self.address or 'an unknown address'}"

    def end(self) -> None:
        """Sign that browser out at its next request."""
        Session.objects.filter(session_key=self.session_key).delete()
        self.delete()


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def counting(self) -> Self:
        """Those that have not expired, of people who may sign in."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), user__is_active=True)

    def left_behind(self) -> Self:
        """Those of teams that their person is not in."""
        there = Membership.objects.filter(team=OuterRef("team"), user=OuterRef("user"))
        return self.filter(~Exists(there), team__isnull=False)


class ApiToken(models.Model):
    """What a program presents to act as `user`: in `team`, or as an operator where the scope says so.

    Only the digest is kept; `start`, its first letters, tell one from another. `last_used_at` is a minute exact.
    `policy`: what of it it may do (apps/accounts/policies.py); null: all of it.
    """

    class Scope(models.TextChoices):
        TEAM = "team", "Team"
        OPERATOR = "operator", "Operator"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    start = models.CharField(max_length=12, editable=False)
    policy = models.JSONField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="team", team__isnull=False) | Q(scope="operator", team__isnull=True),
                name="token_of_a_team_or_an_operator",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()
