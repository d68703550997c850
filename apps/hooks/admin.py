"""Webhooks for operators: to look at. The keys are in the secret store."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.hooks.models import AppReceipt, AppSecret, Receipt, Registration, Tip, Webhook


@admin.register(AppReceipt)
class AppReceiptAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("received_at", "connection", "provider", "about", "outcome", "verdict")
    list_filter = ("outcome",)
    search_fields = ("connection__name", "connection__team__name", "delivery")
    list_select_related = ("connection",)


@admin.register(AppSecret)
class AppSecretAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("app", "webhook", "turn", "rotated_at", "old_until")
    search_fields = ("app", "webhook__pod__name")
    list_select_related = ("webhook",)


@admin.register(Receipt)
class ReceiptAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("received_at", "pod", "provider", "about", "head", "outcome", "verdict")
    list_filter = ("outcome", "provider")
    search_fields = ("pod__name", "delivery", "head")
    list_select_related = ("pod",)


@admin.register(Registration)
class RegistrationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("repository", "pod", "version", "registered_at", "next_at", "failed")
    search_fields = ("repository", "pod__name")
    list_select_related = ("pod",)


@admin.register(Tip)
class TipAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("pod", "app", "repository", "branch", "head", "pushed_at")
    search_fields = ("pod__name", "app")
    list_select_related = ("pod",)


@admin.register(Webhook)
class WebhookAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("pod", "version", "made_at", "rotated_at", "old_until")
    search_fields = ("pod__name",)
    list_select_related = ("pod",)
