"""Sign-in, accounts, teams and their members."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.accounts.labels import LONGEST_PASSWORD, check_email, check_label, check_password
from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.dashboard.forms import checked
from apps.pods.roles import OFFERED


def password_field(label: str, *, new: bool, hint: str = "", required: bool = True) -> forms.CharField:
    kind = "new-password" if new else "current-password"
    widget = forms.PasswordInput(attrs={"autocomplete": kind, "maxlength": LONGEST_PASSWORD})
    return forms.CharField(
        label=label, strip=False, max_length=LONGEST_PASSWORD, widget=widget, help_text=hint, required=required
    )


class SignInForm(forms.Form):
    email = forms.CharField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )
    password = password_field("Password", new=False)

    def clean_email(self) -> str:
        return checked(check_email, self.cleaned_data["email"])


class NameForm(forms.Form):
    """A name: of a person or of a team."""

    name = forms.CharField(label="Name", max_length=80, widget=forms.TextInput(attrs={"autocomplete": "name"}))

    def clean_name(self) -> str:
        return checked(check_label, self.cleaned_data["name"])


class TeamForm(NameForm):
    name = forms.CharField(
        label="Name",
        max_length=80,
        help_text="Shown to its members; addresses are made of it once.",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )


class NewPasswordForm(NameForm):
    """A new account whose address is known already."""

    password = password_field("Password", new=True, hint="At least 10 characters.")
    email = ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        email, name = data.get("email", self.email), data.get("name", "")
        if "password" in data:
            try:
                checked(check_password, data["password"], user=User(email=email, name=name))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data


class WelcomeForm(NewPasswordForm):
    email = forms.CharField(  # type: ignore[assignment]
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    field_order = ["name", "email", "password"]

    def clean_email(self) -> str:
        return checked(check_email, self.cleaned_data["email"])


class PasswordForm(forms.Form):
    current = password_field("Current password", new=False)
    new = password_field("New password", new=True, hint="At least 10 characters. Ends your other sessions.")


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(choices=User.Theme.choices)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label="Role", choices=Role.choices)

    def clean_role(self) -> Role:
        return Role(self.cleaned_data["role"])


class PodRoleForm(forms.Form):
    """`pod`: its name; an empty role is that of the team."""

    pod = forms.CharField(max_length=40)
    role = forms.ChoiceField(label="Role", choices=[(role.value, role.label) for role in OFFERED], required=False)

    def clean_role(self) -> Role | None:
        return Role(self.cleaned_data["role"]) if self.cleaned_data["role"] else None


class InviteForm(RoleForm):
    email = forms.CharField(label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(
        label="Role",
        choices=Role.choices,
        initial=Role.DEVELOPER,
        help_text="Viewers look; developers deploy; admins manage members; owners manage admins.",
    )
    field_order = ["email", "role"]

    def clean_email(self) -> str:
        return checked(check_email, self.cleaned_data["email"])
