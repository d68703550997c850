"""What is asked about the previews of a pod."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from apps.pods.children import DatabasePolicy
from apps.previews.models import LONGEST, MOST, MOST_SLEEP, PreviewSettings

_CODE = {"spellcheck": "false", "class": "font-monospace"}


class PreviewsForm(forms.Form):
    enabled = forms.BooleanField(label="Make a preview of every pull request", required=False)
    limit = forms.IntegerField(label="At most, at once", min_value=1, max_value=MOST)
    days = forms.IntegerField(
        label="Closed after days without a commit",
        min_value=1,
        max_value=LONGEST,
        help_text="A commit, an approval and a redeployment count as well.",
    )
    sleep = forms.IntegerField(
        label="Asleep after minutes without a request",
        min_value=0,
        max_value=MOST_SLEEP,
        help_text="0: never. Web apps alone sleep; the next request wakes them.",
    )
    databases = forms.ChoiceField(
        label="Databases",
        choices=DatabasePolicy.choices,
        help_text="Without databases, variables that refer to one are left out too. Filled ones have what is in"
        " production's: choose it where whoever opens a pull request may see that. Forks get empty ones.",
    )
    bases = forms.CharField(
        label="Only for pull requests into",
        required=False,
        max_length=4000,
        help_text="Branches, such as main or release/*, with commas between. Empty: any.",
        widget=forms.TextInput(attrs=_CODE),
    )
    variables = forms.CharField(
        label="Variables of their own",
        required=False,
        max_length=100_000,
        strip=False,
        help_text="NAME=value, one a line; they take the place of those of the same name. No place for secrets.",
        widget=forms.Textarea(attrs={"rows": 4} | _CODE),
    )

    @classmethod
    def of(cls, settings: PreviewSettings) -> PreviewsForm:
        return cls(
            initial={
                "enabled": settings.enabled, "limit": settings.limit, "days": settings.days, "sleep": settings.sleep,
                "databases": settings.databases, "bases": ", ".join(settings.bases),
                "variables": "\n".join(f"{name}={value}" for name, value in settings.variables.items()),
            }
        )  # fmt: skip

    def clean_bases(self) -> list[str]:
        return [part for part in re.split(r"[,\s]+", self.cleaned_data["bases"]) if part]

    def clean_variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for number, line in enumerate(self.cleaned_data["variables"].splitlines(), start=1):
            name, equals, value = line.partition("=")
            if not line.strip():
                continue
            if not equals:
                raise forms.ValidationError(f"Line {number} has no equals sign: write NAME=value.")
            if name.strip() in found:
                raise forms.ValidationError(f"Line {number}: {name.strip()} is there twice: remove one of the two.")
            found[name.strip()] = value
        return found

    @property
    def values(self) -> dict[str, Any]:
        return dict(self.cleaned_data)
