"""Notifications for operators: to look at. Addresses and keys are in the secret store."""

from __future__ import annotations

from django.contrib import admin

from apps.core.admin import ReadOnly
from apps.notify.models import Delivery, Endpoint, Message


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "team", "kind", "shown", "enabled", "last_at", "last_went")
    list_filter = ("kind", "enabled")
    search_fields = ("name", "team__name")
    list_select_related = ("team",)
    exclude = ("path",)


@admin.register(Message)
class MessageAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "created_at", "team", "pod", "event")
    list_filter = ("event",)
    search_fields = ("id", "team__name", "pod__name")
    list_select_related = ("team", "pod")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("message", "endpoint", "state", "tries", "next_at", "finished_at")
    list_filter = ("state",)
    search_fields = ("message__id", "endpoint__name")
    list_select_related = ("message", "endpoint")
