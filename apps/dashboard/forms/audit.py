"""The filters of the audit log; they stand in the address."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.audit.reading import Wanted
from apps.audit.verbs import KINDS, VERBS

_CHOICES: list[Any] = [("", "Anything")]
_CHOICES += [
    (
        kind,
        [(kind, f"{kind}: anything"), *((verb, words) for verb, words in VERBS.items() if verb.startswith(f"{kind}."))],
    )
    for kind in KINDS
]


def _day(label: str) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}))


class AuditForm(forms.Form):
    who = forms.CharField(label="Who", max_length=254, required=False)
    what = forms.ChoiceField(label="Did what", choices=_CHOICES, required=False)
    object = forms.CharField(label="To what", max_length=200, required=False)
    since = _day("From")
    until = _day("To")
    text = forms.CharField(label="Text, address or request number", max_length=200, required=False)

    def wanted(self) -> Wanted:
        """What holds of it; a field that was refused filters nothing and says why."""
        self.full_clean()
        return Wanted(**{name: value for name, value in self.cleaned_data.items() if value})
