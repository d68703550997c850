"""Where a team is told what happens: the forms. An address that is secret is never sent back to the browser."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.accounts.models import Team
from apps.notify.events import EVENTS
from apps.notify.models import Endpoint, Kind

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
LABELS = {
    Kind.WEBHOOK: ("Address", "https://… of your own program. Each message is sent there as JSON, and signed."),
    Kind.SLACK: ("Webhook URL", "As Slack gave it: https://hooks.slack.com/services/… Mattermost's works too."),
    Kind.DISCORD: ("Webhook URL", "As Discord gave it: https://discord.com/api/webhooks/…"),
    Kind.TEAMS: ("Workflow URL", "As Teams gave it for “when a Teams webhook request is received”."),
    Kind.EMAIL: ("E-mail address", "One address: a person's, or that of a list."),
}


class EndpointForm(forms.Form):
    """`endpoint`: the one that is changed; without, a new one is made."""

    name = forms.CharField(label="Name", max_length=80, help_text="What the team calls it, such as Releases channel.")
    target = forms.CharField(max_length=1000, required=False)
    events = forms.MultipleChoiceField(
        label="Tell of", required=False, choices=[(name, event.title) for name, event in EVENTS.items()],
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    only_pods = forms.BooleanField(label="Only of the pods chosen below", required=False)
    pods = forms.MultipleChoiceField(label="Pods", required=False, widget=forms.CheckboxSelectMultiple)
    enabled = forms.BooleanField(label="Switched on", required=False)

    def __init__(self, data: Any = None, *, team: Team, kind: str, endpoint: Endpoint | None = None) -> None:
        given: dict[str, Any] = {"events": list(EVENTS)}
        if endpoint:
            given = {
                "name": endpoint.name, "events": endpoint.events or list(EVENTS), "only_pods": not endpoint.all_pods,
                "pods": [pod.name for pod in endpoint.pods.all()], "enabled": endpoint.enabled,
            }  # fmt: skip
        super().__init__(data, initial=given)
        names = team.pods.filter(deleting_at=None).values_list("name", flat=True)
        label, hint = LABELS[Kind(kind)]
        target, pods = self.fields["target"], self.fields["pods"]
        assert isinstance(pods, forms.MultipleChoiceField)
        pods.choices = [(name, name) for name in names]
        target.label = f"New {label[:1].lower()}{label[1:]}" if endpoint else label
        target.help_text = f"Empty: {endpoint.shown} stays." if endpoint else hint
        target.required = endpoint is None
        secret = kind in (Kind.SLACK, Kind.DISCORD, Kind.TEAMS)
        target.widget = (forms.PasswordInput if secret else forms.TextInput)(attrs=_PLAIN | {"maxlength": "1000"})
        if endpoint is None:
            del self.fields["enabled"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not given.get("events") and "events" not in self.errors:
            self.add_error("events", "Choose at least one.")
        if given.get("only_pods") and not given.get("pods") and "pods" not in self.errors:
            self.add_error("pods", "Choose at least one, or do not limit it to pods.")
        return given

    def asked(self) -> dict[str, Any]:
        """What the actions take."""
        given = dict(self.cleaned_data)
        only = given.pop("only_pods")
        return given | {"pods": given["pods"] if only else None}
