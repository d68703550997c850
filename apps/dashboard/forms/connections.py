"""Access to git hosts: the forms of a team's connections. What is secret in them is never sent back to the browser."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.connections.models import Kind, Provider

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class _Secret(forms.Textarea):
    def format_value(self, value: Any) -> str:
        return ""


def _text(label: str, hint: str = "", *, required: bool = True, longest: int = 300, **attrs: str) -> forms.CharField:
    widget = forms.TextInput(attrs=_PLAIN | attrs)
    return forms.CharField(label=label, help_text=hint, required=required, max_length=longest, widget=widget)


def _token(label: str, hint: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs=_PLAIN | {"autocomplete": "new-password"})
    return forms.CharField(label=label, help_text=hint, max_length=4000, widget=widget)


def _pem(label: str, hint: str) -> forms.CharField:
    widget = _Secret(attrs=_PLAIN | {"rows": "4"})
    return forms.CharField(label=label, help_text=hint, max_length=20_000, widget=widget)


_SCOPE = "Empty: all repositories of the host. Else an owner or group (acme), or one repository (acme/shop)."
_NAME = "What the team calls it; made up if empty."


def _provider() -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Kind of host", choices=Provider.choices, initial=Provider.OTHER, required=False,
        help_text="For a host of your own; the well-known ones are recognised by their name.",
    )  # fmt: skip


class TokenForm(forms.Form):
    host = _text("Host", "github.com, gitlab.com, bitbucket.org, or your own server, with :port if it has one.")
    provider = _provider()
    token = _token("Token", "An access token or deploy token that may read repositories. It is never shown again.")
    username = _text(
        "User name", "Only where the host gave you one, as GitLab does for deploy tokens.", required=False, longest=100
    )
    scope = _text("Only for", _SCOPE, required=False, longest=200)
    name = _text("Name", _NAME, required=False, longest=80)


class DeployKeyForm(forms.Form):
    host = _text("Host", "github.com, gitlab.com, bitbucket.org, or your own server, with :port if ssh has one.")
    provider = _provider()
    scope = _text(
        "Only for", "The repository that the key is for, such as acme/shop: most hosts take a key for one repository.",
        required=False, longest=200,
    )  # fmt: skip
    name = _text("Name", _NAME, required=False, longest=80)


class GitHubAppForm(forms.Form):
    app_id = _text("App ID", "On the app's page at GitHub, under About.", longest=40, inputmode="numeric")
    installation_id = _text(
        "Installation ID", "The number that ends the address of the installation's page.", longest=20,
        inputmode="numeric",
    )  # fmt: skip
    private_key = _pem("Private key", "The whole .pem file that GitHub gave you. It is never shown again.")
    scope = _text("Only for", "The owner that it is installed on, such as acme.", required=False, longest=200)
    host = forms.CharField(
        label="Host", initial="github.com", max_length=300, widget=forms.TextInput(attrs=_PLAIN),
        help_text="Another one for GitHub Enterprise Server.",
    )  # fmt: skip
    name = _text("Name", _NAME, required=False, longest=80)


class ConnectionNameForm(forms.Form):
    name = _text("Name", longest=80)


class CheckForm(forms.Form):
    repo = _text("Repository", "Its address as an app would name it.", longest=1000)


class NewTokenForm(forms.Form):
    secret = _token("New token", "The present one is forgotten at once.")


class NewAppKeyForm(forms.Form):
    secret = _pem("New private key", "The whole .pem file. The present key is forgotten at once.")


FORMS: dict[str, tuple[Kind, type[forms.Form]]] = {
    "github-app": (Kind.GITHUB_APP, GitHubAppForm),
    "token": (Kind.TOKEN, TokenForm),
    "deploy-key": (Kind.DEPLOY_KEY, DeployKeyForm),
}
SECRET_FORMS: dict[str, type[forms.Form]] = {Kind.TOKEN: NewTokenForm, Kind.GITHUB_APP: NewAppKeyForm}


class AppManifestForm(forms.Form):
    organisation = _text(
        "Organisation", "Whose app it is to be, such as acme. Empty: your own account's.", required=False, longest=39
    )
    host = forms.CharField(
        label="Host", initial="github.com", max_length=300, widget=forms.TextInput(attrs=_PLAIN),
        help_text="Another one for GitHub Enterprise Server.",
    )  # fmt: skip
