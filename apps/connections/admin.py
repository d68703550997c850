"""Connections for operators: to look at. OAuth applications: registered here. Secrets are in the secret store."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from apps.audit.operators import Noted
from apps.connections import checks, secrets
from apps.connections.models import AppHandshake, Connection, Grant, Handshake, OAuthApplication, Provider
from apps.connections.oauth.actions import redirect_address
from apps.core.admin import ReadOnly
from apps.core.errors import Invalid


@admin.register(Connection)
class ConnectionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "team", "host", "kind", "scope", "last_used_at", "last_error")
    list_filter = ("kind", "provider")
    search_fields = ("name", "host", "team__name")
    list_select_related = ("team",)
    exclude = ("path",)


@admin.register(Grant)
class GrantAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("account", "application", "connection", "renew_at")
    search_fields = ("account", "connection__name")
    list_select_related = ("application", "connection")


@admin.register(Handshake)
class HandshakeAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("user", "team", "application", "created_at")
    search_fields = ("user__email", "team__name")
    list_select_related = ("user", "team", "application")
    exclude = ("session",)


@admin.register(AppHandshake)
class AppHandshakeAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("user", "team", "host", "created_at")
    search_fields = ("user__email", "team__name")
    list_select_related = ("user", "team")
    exclude = ("session",)


class ApplicationForm(forms.ModelForm):
    """Its secret goes into the secret store, and is never shown again."""

    secret = forms.CharField(
        label="Client secret", max_length=4000, required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Never shown again. Empty: the one that is there.",
    )  # fmt: skip

    class Meta:
        model = OAuthApplication
        fields = ("provider", "host", "client_id", "api")

    def clean_host(self) -> str:
        try:
            return checks.check_host(self.cleaned_data["host"], "https")
        except Invalid as error:
            raise forms.ValidationError([detail.message for detail in error.details]) from None

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        host, provider = given.get("host", ""), given.get("provider")
        if provider and checks.KNOWN.get(host, provider) != provider:
            self.add_error("provider", f"{host} is {Provider(checks.KNOWN[host]).label}.")
        given["secret"] = (given.get("secret") or "").strip()
        if not given["secret"] and not self.instance.path:
            self.add_error("secret", "The host shows it where the application was registered.")
        return given


@admin.register(OAuthApplication)
class OAuthApplicationAdmin(Noted, admin.ModelAdmin):
    form = ApplicationForm
    list_display = ("host", "provider", "client_id", "api", "created_at")
    list_filter = ("provider",)
    search_fields = ("host", "client_id")
    readonly_fields = ("redirect",)
    fields = ("provider", "host", "client_id", "api", "secret", "redirect")

    @admin.display(description="Redirect address, to be registered at the host exactly so")
    def redirect(self, obj: OAuthApplication | None) -> str:
        return redirect_address()

    def save_model(self, request: HttpRequest, obj: OAuthApplication, form: Any, change: bool) -> None:
        """The new secret before the row that says where it is, the old one after it."""
        before = obj.path
        if secret := form.cleaned_data["secret"]:
            obj.path, obj.version = secrets.keep_application(obj.pk, secret)
        super().save_model(request, obj, form, change)
        if secret and before:
            secrets.forget(before)

    def delete_model(self, request: HttpRequest, obj: OAuthApplication) -> None:
        secrets.forget(obj.path)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for application in queryset:
            self.delete_model(request, application)
