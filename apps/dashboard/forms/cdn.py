"""What is asked about the network in front of a pod."""

from __future__ import annotations

from django import forms


class CloudflareForm(forms.Form):
    zone = forms.CharField(
        label="Zone ID",
        max_length=64,
        help_text="On the zone's overview at Cloudflare.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "font-monospace"}),
    )
    token = forms.CharField(
        label="API token",
        max_length=300,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
