"""The forms of the operators' pages: the same rules as the dashboard's, for many rows at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import QuerySet
from django.forms.formsets import DELETION_FIELD_NAME

from apps.accounts.labels import check_email, check_label
from apps.accounts.models import Membership, Team, User
from apps.accounts.roles import Role
from apps.core.errors import Invalid
from apps.core.plans import parse


def teams_left_without_owner(users: Iterable[User]) -> QuerySet[Team]:
    """The teams that would have no active owner if `users` were not there."""
    going = [user.pk for user in users]
    owners = Membership.objects.filter(role=Role.OWNER)
    staying = owners.filter(user__is_active=True).exclude(user__in=going)
    owned = owners.filter(user__in=going)
    return Team.objects.filter(pk__in=owned.values("team")).exclude(pk__in=staying.values("team"))


def other_operators(users: Iterable[User]) -> bool:
    """Whether somebody beside `users` can use the operators' pages."""
    operators = User.objects.filter(is_active=True, is_staff=True, is_superuser=True)
    return operators.exclude(pk__in=[user.pk for user in users]).exists()


def hold(users: Iterable[User]) -> None:
    """Until the transaction ends: nobody else changes who the operators are, and who owns the teams of `users`.

    Two operators must not each take what the other one leaves.
    """
    list(User.objects.select_for_update().filter(is_staff=True, is_superuser=True).order_by("pk"))
    owned = Membership.objects.filter(user__in=[user.pk for user in users], role=Role.OWNER)
    list(Team.objects.select_for_update().filter(pk__in=owned.values("team")).order_by("pk"))


class _Labelled(forms.BaseForm):
    def clean_email(self) -> str:
        try:
            return check_email(self.cleaned_data["email"])
        except Invalid as error:
            raise forms.ValidationError(error.details[0].message) from None

    def clean_name(self) -> str:
        try:
            return check_label(self.cleaned_data["name"])
        except Invalid as error:
            raise forms.ValidationError(error.details[0].message) from None


class NewPersonForm(_Labelled, AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")


class PersonForm(_Labelled, UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        stays = all(data.get(name) for name in ("is_active", "is_staff", "is_superuser"))
        if not stays:
            hold([self.instance])
        before = User.objects.filter(pk=self.instance.pk, is_active=True, is_staff=True, is_superuser=True)
        if not stays and before.exists() and not other_operators([self.instance]):
            raise forms.ValidationError("This is the only operator: make somebody else an operator first.")
        return data


class TeamForm(_Labelled, forms.ModelForm):
    plan = forms.ChoiceField(help_text="What the team may use: the plans of BRAINPOD_PLANS.")

    class Meta:
        model = Team
        fields = ("name", "plan")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = dict.fromkeys([*parse(settings.BRAINPOD.plans), self.instance.plan])
        self.fields["plan"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


class MembershipFormSet(forms.BaseInlineFormSet):
    """Memberships edited together. Refuses what would take the last active owner from a team."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        rows = [form.instance for form in self.forms if form.instance.pk]
        teams = Team.objects.filter(memberships__in=[row.pk for row in rows])
        # Locked before it is looked at again: two operators must not each take the owner the other one leaves.
        locked = list(Team.objects.select_for_update().filter(pk__in=teams.values("pk")).order_by("pk"))
        stored = Membership.objects.select_related("user").in_bulk([row.pk for row in rows])
        after = [row for form in self.forms if (row := self._after(form, stored)) is not None]
        for team in locked:
            before = [row for row in stored.values() if _owns(row, team)]
            left = [row for row in after if _owns(row, team)]
            others = team.memberships.filter(role=Role.OWNER, user__is_active=True).exclude(pk__in=stored)
            if len(left) < len(before) and not any(row.user.is_active for row in left) and not others.exists():
                raise forms.ValidationError(f"{team} cannot be without an owner: make somebody else an owner first.")

    def _after(self, form: forms.ModelForm, stored: dict[int, Membership]) -> Membership | None:
        """The row as it will be once the set is saved; None: it will not be there."""
        if form.cleaned_data.get(DELETION_FIELD_NAME) or (form.instance.pk and form.instance.pk not in stored):
            return None
        if form.has_changed():
            return form.instance
        return stored.get(form.instance.pk)


def _owns(row: Membership, team: Team) -> bool:
    return row.team_id == team.pk and row.role == Role.OWNER
