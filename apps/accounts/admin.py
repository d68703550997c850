"""People and teams for operators. Tokens are never shown; what is a record of the past cannot be edited."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts.labels import check_email, check_label
from apps.accounts.models import Invitation, Membership, SignIn, SignInLink, Team, User
from apps.core.errors import Invalid

admin.site.site_header = "Brainpod operators"
admin.site.site_title = "Brainpod"
admin.site.index_title = "Everything the platform keeps"
admin.site.enable_nav_sidebar = True
admin.site.unregister(Group)  # roles are held in teams


class PersonForm(forms.ModelForm):
    def clean_email(self) -> str:
        try:
            return check_email(self.cleaned_data["email"])
        except Invalid as error:
            raise forms.ValidationError(error.details[0].message) from None

    def clean_name(self) -> str:
        try:
            return check_label(self.cleaned_data["name"])
        except Invalid as error:
            raise forms.ValidationError(error.details[0].message) from None


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ["user", "team"]


class ReadOnly(admin.ModelAdmin):
    """Looked at, and removed where that ends something."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class PersonAdmin(UserAdmin):
    form = PersonForm  # type: ignore[assignment]
    list_display = ["email", "name", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    filter_horizontal = []
    readonly_fields = ["last_login", "created_at"]
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        ("May", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("When", {"fields": ["created_at", "last_login"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "usable_password", "password1", "password2"]})]
    inlines = [MembershipInline]
    actions = ["end_sessions"]

    @admin.action(description="End all sessions of the selected people")
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for sign_in in SignIn.objects.filter(user__in=queryset):
            sign_in.end()
        self.message_user(request, "Their sessions were ended.")


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    readonly_fields = ["slug", "created_at"]
    inlines = [MembershipInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a team begins with its owner: on the teams page


@admin.register(Membership)
class MembershipAdmin(ReadOnly):
    list_display = ["team", "user", "role", "created_at"]
    list_filter = ["role"]
    search_fields = ["team__name", "user__email"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # in the team's own page of the admin, seen beside the other members


@admin.register(SignInLink)
class SignInLinkAdmin(ReadOnly):
    list_display = ["user", "created_at", "expires_at", "used_at"]


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    list_display = ["email", "team", "role", "created_at", "expires_at", "used_at"]
    search_fields = ["email", "team__name"]


@admin.register(SignIn)
class SignInAdmin(ReadOnly):
    list_display = ["user", "address", "agent", "at"]
    search_fields = ["user__email"]

    def delete_model(self, request: HttpRequest, obj: SignIn) -> None:
        obj.end()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SignIn]) -> None:
        for sign_in in queryset:
            sign_in.end()
