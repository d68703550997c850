"""Certificates for operators: looked at. DNS zones: set up here; their keys and tokens are in the secret store."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from apps.audit.operators import Noted
from apps.certificates import keeping
from apps.certificates.dns import rfc2136
from apps.certificates.models import Certificate, DnsZone, Provider
from apps.core.admin import ReadOnly
from apps.edge.validation import check_host


@admin.register(Certificate)
class CertificateAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("host", "kind", "state", "not_after", "next_at", "alarm", "error_code")
    list_filter = ("kind", "state", "error_code")
    search_fields = ("host", "hostname__pod__name")
    list_select_related = ("hostname",)
    exclude = ("records",)


class ZoneForm(forms.ModelForm):
    """Its secret goes into the secret store, and is never shown again."""

    secret = forms.CharField(
        label="Key or token", max_length=4000, required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="The TSIG key in base64, or Cloudflare's token. Never shown again. Empty: the one that is there.",
    )  # fmt: skip

    class Meta:
        model = DnsZone
        fields = ("zone", "provider", "server", "key_name", "algorithm", "wait")
        help_texts = {
            "server": "RFC 2136: the primary's address, and port if it is not 53.",
            "key_name": "RFC 2136: the name of the key.",
            "wait": "Seconds until every server of the zone has a new record.",
        }

    def clean_zone(self) -> str:
        zone = str(self.cleaned_data["zone"]).strip().rstrip(".").lower()
        if problem := check_host(zone):
            raise forms.ValidationError(f"This {problem}.")
        return zone

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        given["secret"] = (given.get("secret") or "").strip()
        if not given["secret"] and not self.instance.path:
            self.add_error("secret", "The platform cannot write the zone without it.")
        if given.get("provider") == Provider.RFC2136:
            self._check_server(given)
        return given

    def _check_server(self, given: dict[str, Any]) -> None:
        try:
            rfc2136.address_of(given.get("server", ""))
        except ValueError as error:
            self.add_error("server", f"This must be an address such as 192.0.2.53 or 192.0.2.53:5353: {error}.")
        if not given.get("key_name"):
            self.add_error("key_name", "Updates are signed with a key that has a name.")
        try:
            base64.b64decode(given["secret"], validate=True)
        except (binascii.Error, ValueError):
            self.add_error("secret", "This is not base64.")


@admin.register(DnsZone)
class DnsZoneAdmin(Noted, admin.ModelAdmin):
    form = ZoneForm
    list_display = ("zone", "provider", "server", "wait")
    list_filter = ("provider",)
    search_fields = ("zone",)

    def save_model(self, request: HttpRequest, obj: DnsZone, form: Any, change: bool) -> None:
        if secret := form.cleaned_data["secret"]:
            keeping.keep_zone(obj, secret)
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: DnsZone) -> None:
        keeping.forget_zone(obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for zone in queryset:
            self.delete_model(request, zone)
