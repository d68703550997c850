"""Infrastructure services: the operators' forms. A password is never sent back to the browser."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.infrastructure.actions import MEMORY
from apps.infrastructure.models import PORTS, Service, Type

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
_TYPES = [(one.value, one.label) for one in (Type.POSTGRESQL, Type.MARIADB, Type.MYSQL, Type.VALKEY, Type.REDIS)]
_SHARED = "Pods may have databases of their own there, each with a user of its own"


def _text(label: str, hint: str = "", *, required: bool = True, longest: int = 255) -> forms.CharField:
    widget = forms.TextInput(attrs=_PLAIN)
    return forms.CharField(label=label, help_text=hint, required=required, max_length=longest, widget=widget)


def _password(hint: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs=_PLAIN | {"autocomplete": "new-password"})
    return forms.CharField(
        label="Password", help_text=hint, required=False, max_length=1000, strip=False, widget=widget
    )


def _memory() -> forms.IntegerField:
    return forms.IntegerField(
        label="Memory, in MB", initial=512, min_value=MEMORY[0], max_value=MEMORY[1],
        help_text="What it may use at most; its caches are sized by it.",
    )  # fmt: skip


class _New(forms.Form):
    name = _text("Name", "Lower-case letters, digits and hyphens.", longest=40)
    type = forms.ChoiceField(label="Type", choices=_TYPES)


class ManagedForm(_New):
    version = _text("Version", "Empty: the newest that is installed.", required=False, longest=20)
    memory = _memory()
    image = _text("Image", "Only on Docker. Empty: the official one of the version.", required=False)
    user = _text("User", "Whom Brainpod signs in as. Empty: the usual one.", required=False, longest=32)
    password = _password("Empty: one is made.")
    shared = forms.BooleanField(label=_SHARED, required=False)


class ExternalForm(_New):
    host = _text("Host", "A host name or an IP address.", longest=253)
    port = forms.IntegerField(
        label="Port", required=False, min_value=1, max_value=65535,
        help_text=f"Empty: the usual one, {PORTS[Type.POSTGRESQL]}, {PORTS[Type.MYSQL]} or {PORTS[Type.REDIS]}.",
    )  # fmt: skip
    user = _text("User", "Who may make databases and users there.", required=False, longest=32)
    password = _password("It goes into the secret store, and is never shown again.")


class ManagedChangeForm(forms.Form):
    memory = _memory()
    image = _text("Image", "Only on Docker. Empty: the official one of the version.", required=False)
    password = _password("Empty: as it is.")
    shared = forms.BooleanField(label=_SHARED, required=False)


class SharingForm(forms.Form):
    """Of a service that a file declares: the rest stands there."""

    shared = forms.BooleanField(label=_SHARED, required=False)


class ExternalChangeForm(forms.Form):
    host = _text("Host", longest=253)
    port = forms.IntegerField(label="Port", min_value=1, max_value=65535)
    user = _text("User", required=False, longest=32)
    password = _password("Empty: as it is.")


class RemovalForm(forms.Form):
    confirm = _text("Its name, to make sure", longest=100)


NEW: dict[str, type[_New]] = {"managed": ManagedForm, "external": ExternalForm}


def change_form(service: Service, data: Any = None) -> forms.Form | None:
    """None where there is nothing to change."""
    declared = service.declared == "file"
    if service.built_in or (declared and service.external):
        return None
    shape: type[forms.Form] = ManagedChangeForm if service.managed else ExternalChangeForm
    shape = SharingForm if declared else shape
    initial = {name: getattr(service, name) for name in shape.base_fields if name != "password"}
    form = shape(data, initial=initial)
    if service.engine != "docker":
        form.fields.pop("image", None)
    return form
