"""What is asked of pods that are branched off others."""

from __future__ import annotations

from django import forms

from apps.deployments.promotion import Offers
from apps.pods.children import DatabasePolicy

_DATABASES = (
    (DatabasePolicy.EMPTY, "New and empty, with passwords of their own"),
    (DatabasePolicy.SEEDED, "New, filled from the newest backup of each when they are first deployed"),
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


class PromotionForm(forms.Form):
    """`version`: the live revision of the staging pod that was looked at."""

    apps = forms.MultipleChoiceField(required=False)
    version = forms.IntegerField(widget=forms.HiddenInput())

    def __init__(self, *args: object, offers: Offers, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["apps"].choices = [(offer.app, offer.app) for offer in offers.apps]  # type: ignore[attr-defined]
