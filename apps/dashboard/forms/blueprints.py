"""What is asked where a blueprint is installed, and where a team adds one of its own."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.blueprints.inputs import LONGEST, Input
from apps.blueprints.reading import Blueprint
from apps.core.errors import Detail, Invalid
from apps.dashboard.forms.manifests import TextForm
from apps.dashboard.forms.pods import PodForm

PREFIX = "input-"
_PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class InstallForm(PodForm):
    """A pod's name and team, and the blueprint's inputs, each a field of its name behind `input-`."""

    def __init__(self, *args: Any, blueprint: Blueprint, teams: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, teams=teams, **kwargs)
        self.blueprint = blueprint
        for one in blueprint.inputs:
            self.fields[f"{PREFIX}{one.name}"] = _field(one)

    @property
    def asked(self) -> list[forms.BoundField]:
        return [self[f"{PREFIX}{one.name}"] for one in self.blueprint.inputs]

    def given(self) -> dict[str, Any]:
        """Answers by the names of inputs. Raises Invalid, its paths the names of fields."""
        answers = {one.name: self.cleaned_data.get(f"{PREFIX}{one.name}") for one in self.blueprint.inputs}
        try:
            self.blueprint.answers(answers)
        except Invalid as error:
            raise Invalid([Detail(f"{PREFIX}{one.path}", one.message) for one in error.details]) from None
        return answers


def _field(one: Input) -> forms.Field:
    help_text = one.help
    if one.generate:
        help_text = f"{help_text} Made up if left empty.".strip()
    shared: dict[str, Any] = {"label": one.label, "help_text": help_text, "initial": one.default, "required": False}
    if one.kind == "boolean":
        return forms.BooleanField(**shared | {"initial": one.default == "true"})
    if one.kind == "choice":
        none = [] if one.default else [("", "–")]
        return forms.ChoiceField(choices=[*none, *((word, word) for word in one.choices)], **shared)
    widget = (
        forms.PasswordInput(attrs={"autocomplete": "new-password"}) if one.secret else forms.TextInput(attrs=_PLAIN)
    )
    if one.required and not one.generate:
        widget.is_required = True
        shared["label"] = one.label
    return forms.CharField(widget=widget, max_length=LONGEST, strip=not one.secret, **shared)


class BlueprintForm(TextForm):
    """A team's own."""

    label, called = "Blueprint", "blueprint"
