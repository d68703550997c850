"""Second factors: codes and what a passkey answers, which a script puts into a hidden field."""

from __future__ import annotations

from django import forms

from apps.accounts.factors.codes import LONGEST
from apps.accounts.factors.passkeys import LARGEST
from apps.accounts.labels import check_label
from apps.dashboard.forms import checked
from apps.dashboard.forms.people import password_field


def _code(label: str, *, hint: str = "", required: bool = True, focus: bool = False) -> forms.CharField:
    attrs = {"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false", "autofocus": focus}
    widget = forms.TextInput(attrs=attrs)
    return forms.CharField(label=label, max_length=LONGEST, help_text=hint, required=required, widget=widget)


def _credential() -> forms.CharField:
    return forms.CharField(required=False, max_length=LARGEST, widget=forms.HiddenInput)


class AppForm(forms.Form):
    code = _code("Code that the app shows", hint="Six digits.")


class SecondStepForm(forms.Form):
    code = _code("Code", hint="Of your authenticator app, or a recovery code.", required=False, focus=True)
    credential = _credential()


class ProofForm(SecondStepForm):
    """Without `code` for who has no second factor."""

    password = password_field("Password", new=False, required=False)
    code = _code("Code", hint="Of your authenticator app, or a recovery code.", required=False)
    field_order = ["password", "code", "credential"]


class PasskeyNameForm(forms.Form):
    name = forms.CharField(
        label="Name", max_length=80, help_text="What you will know it by: Phone, Blue key.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip

    def clean_name(self) -> str:
        return checked(check_label, self.cleaned_data["name"])


class PasskeyForm(PasskeyNameForm):
    credential = _credential()

    def clean_credential(self) -> str:
        if not self.cleaned_data["credential"]:
            raise forms.ValidationError(
                "No passkey was made. It takes a browser that knows them, and a script of ours."
            )
        return str(self.cleaned_data["credential"])
