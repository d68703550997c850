"""What is asked of pods that are branched off others."""

from __future__ import annotations

from django import forms

from apps.pods.children import DatabasePolicy

_DATABASES = (
    (DatabasePolicy.EMPTY, "New and empty, with passwords of their own"),
    (DatabasePolicy.NONE, "None: they are left out, and so are the variables that refer to them"),
)


class StagingForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=40,
        help_text="Lower-case letters, digits and hyphens. It becomes part of the pod's addresses and never changes.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    with_secrets = forms.BooleanField(
        label="Copy the secrets of the Configs",
        required=False,
        help_text="Each gets a value of its own, equal at first. Leave them out where staging must not use"
        " production's keys, and enter others.",
    )
    databases = forms.ChoiceField(label="Databases", choices=_DATABASES)
