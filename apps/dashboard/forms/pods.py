"""What is asked about pods and their deployments."""

from __future__ import annotations

from django import forms
from django.utils.text import capfirst

from apps import engines
from apps.engines.offers import TITLES


class PodForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=40,
        help_text="Lower-case letters, digits and hyphens. It becomes part of the pod's addresses and never changes.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True, "spellcheck": "false"}),
    )
    team = forms.ChoiceField(label="Team")

    def __init__(self, *args: object, teams: list[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["team"].choices = teams  # type: ignore[attr-defined]
        if len(teams) == 1:
            self.fields["team"].widget = forms.HiddenInput()
            self.initial["team"] = teams[0][0]


class DeployForm(forms.Form):
    """`token` is that of the plan that was read; `confirmed` is asked for when the plan destroys something."""

    summary = forms.CharField(
        label="Message",
        max_length=200,
        required=False,
        help_text="What this changes, for those who read the history.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    token = forms.CharField(max_length=200, required=False, widget=forms.HiddenInput())
    confirmed = forms.BooleanField(required=False, label="I have read what is destroyed, and agree")


class RollbackForm(forms.Form):
    """`token` is that of the plan that was read; `confirmed` is asked for when the plan destroys something."""

    token = forms.CharField(max_length=200, required=False, widget=forms.HiddenInput(attrs={"id": None}))
    confirmed = forms.BooleanField(required=False, label="I have read what is destroyed, and agree")


class RegionForm(forms.Form):
    """Where the pod is built: the regions that have a builder, and its own."""

    region = forms.ChoiceField(label="Region", help_text="Its next builds are made by a builder there.")

    def __init__(self, *args: object, regions: list[str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["region"].choices = [(region, region) for region in regions]  # type: ignore[attr-defined]


class EngineForm(forms.Form):
    """What the pod's next revision runs on. Empty: the installation's default, whatever that will be."""

    engine = forms.ChoiceField(label="Runs on", required=False)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        usual = f"The default: {TITLES[engines.default()]}"
        named = [(name, capfirst(TITLES[name])) for name in engines.offered()]
        self.fields["engine"].choices = [("", usual), *named]  # type: ignore[attr-defined]


class DeletionForm(forms.Form):
    confirmation = forms.CharField(
        label="Name of the pod",
        max_length=100,
        required=False,
        help_text="Type it to delete the pod.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    children = forms.BooleanField(required=False, label="Delete its children along with it")
