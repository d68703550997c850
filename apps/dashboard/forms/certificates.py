"""Uploading a certificate. The key is never sent back to the browser."""

from __future__ import annotations

from typing import Any

from django import forms

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none", "rows": 7, "class": "font-monospace"}


class _Secret(forms.Textarea):
    def format_value(self, value: Any) -> str:
        return ""


class CertificateForm(forms.Form):
    chain = forms.CharField(
        label="Certificate and those above it", widget=forms.Textarea(attrs=_PLAIN), max_length=100_000,
        help_text="PEM, the certificate itself first: often called fullchain.pem.",
    )  # fmt: skip
    key = forms.CharField(
        label="Private key", widget=_Secret(attrs=_PLAIN), max_length=100_000,
        help_text="PEM, without a passphrase. It goes into the secret store and is never shown again.",
    )  # fmt: skip
