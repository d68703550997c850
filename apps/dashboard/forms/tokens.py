"""A new token for a program."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.accounts import policies
from apps.accounts.labels import check_label
from apps.accounts.models import User
from apps.accounts.tokens import DAYS
from apps.core.errors import Invalid
from apps.dashboard.forms import checked

OPERATOR = "operator"
_TEAM = "team:"
OWN = "own"
PRESETS = {"read": ("only read", policies.READ_ONLY), "deploy": ("only deploy what is there", policies.DEPLOY_ONLY)}


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

    preset = forms.ChoiceField(
        label="May", required=False,
        choices=[("", "do all that you may"), *((name, words) for name, (words, _) in PRESETS.items()),
                 (OWN, "do what the policy below says")],
    )  # fmt: skip
    policy = forms.CharField(
        label="Policy",
        required=False,
        max_length=policies.LONGEST,
        help_text="JSON: statements that allow or deny actions on pods. Only for a team's token.",
        widget=forms.Textarea(attrs={"rows": 8, "class": "font-monospace", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._teams = {f"{_TEAM}{team.slug}": team for team in user.teams.all()}
        choices = [(value, f"the team {team}") for value, team in self._teams.items()]
        if user.is_staff:
            choices.append((OPERATOR, "operators: the infrastructure"))
        self.fields["scope"].choices = choices  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        return checked(check_label, self.cleaned_data["name"])

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        text, preset = given.get("policy", ""), given.get("preset", "")
        if preset == OWN and not text:
            self.add_error("policy", "Write what it may, or choose another entry above.")
        elif text and preset != OWN:
            self.add_error("preset", "Choose what the policy below says, or empty it.")
        try:
            given["policy"] = policies.read(text) if preset == OWN else PRESETS[preset][1] if preset else None
        except Invalid as error:
            self.add_error("policy", [f"{one.path}: {one.message}" for one in error.details])
        if preset and given.get("scope") == OPERATOR:
            self.add_error("preset", "An operator's token has no policy.")
        return given

    def asked(self) -> dict[str, Any]:
        """What apps.accounts.tokens.make is told."""
        given = self.cleaned_data
        days = int(given["expiry"]) if given["expiry"] else None
        team = self._teams.get(given["scope"])
        return {"name": given["name"], "team": team, "days": days, "policy": given["policy"]}
