"""A new token for a program."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.accounts.labels import check_label
from apps.accounts.models import User
from apps.accounts.tokens import DAYS
from apps.dashboard.forms import checked

OPERATOR = "operator"
_TEAM = "team:"


class TokenForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=80,
        help_text="What will use it, so that you know later which one to revoke.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(label="For", help_text="It may do there what you may.")
    expiry = forms.ChoiceField(
        label="Counts for", required=False, initial="90",
        choices=[*((str(days), f"{days} days") for days in DAYS), ("", "ever, until it is revoked")],
    )  # fmt: skip

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._teams = {f"{_TEAM}{team.slug}": team for team in user.teams.all()}
        choices = [(value, f"the team {team}") for value, team in self._teams.items()]
        if user.is_staff:
            choices.append((OPERATOR, "operators: the infrastructure"))
        self.fields["scope"].choices = choices  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        return checked(check_label, self.cleaned_data["name"])

    def asked(self) -> dict[str, Any]:
        """What apps.accounts.tokens.make is told."""
        given = self.cleaned_data
        days = int(given["expiry"]) if given["expiry"] else None
        return {"name": given["name"], "team": self._teams.get(given["scope"]), "days": days}
