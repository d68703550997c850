"""People and teams for operators. Tokens are never shown; what is a record of the past cannot be edited."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse

from apps.accounts import tokens
from apps.accounts.models import ApiToken, Invitation, Membership, SignIn, SignInLink, Team, User
from apps.accounts.operator_forms import (
    MembershipFormSet,
    NewPersonForm,
    PersonForm,
    TeamForm,
    hold,
    other_operators,
    teams_left_without_owner,
)
from apps.audit.operators import Noted
from apps.core.admin import ReadOnly

admin.site.site_header = "Brainpod operators"
admin.site.site_title = "Brainpod"
admin.site.index_title = "Everything the platform keeps"
admin.site.enable_nav_sidebar = True
admin.site.unregister(Group)  # roles are held in teams
admin.site.unregister([EmailAddress, Authenticator])  # the first is not used; of the second ours shows no secrets


class MembershipInline(admin.TabularInline):
    model = Membership
    formset = MembershipFormSet
    extra = 0
    autocomplete_fields = ["user", "team"]


class TakesMembershipsAlong(Noted, admin.ModelAdmin):
    """Memberships go with their team or person, though nobody removes one on a page of its own."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        shown, counts, denied, protected = super().get_deleted_objects(objs, request)
        return shown, counts, denied - {Membership._meta.verbose_name}, protected

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Tokens go with the membership, and none waits for a new one."""
        tokens.revoke_left_behind(by=request.user)  # type: ignore[arg-type]
        super().save_formset(request, form, formset, change)
        tokens.revoke_left_behind(by=request.user)  # type: ignore[arg-type]


class Ended(Noted, ReadOnly, admin.ModelAdmin):
    """Looked at, and removed, which ends it."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(User)
class PersonAdmin(TakesMembershipsAlong, UserAdmin):
    form = PersonForm
    add_form = NewPersonForm
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

    def get_deleted_objects(self, objs: Iterable[User], request: HttpRequest) -> Any:
        """Who is the last owner of a team, or the last operator, is as good as protected by a foreign key."""
        users = list(objs)
        if request.method == "POST":
            hold(users)
        shown, counts, denied, protected = super().get_deleted_objects(users, request)
        protected = [*protected, *(f"the last owner of {team}" for team in teams_left_without_owner(users))]
        if any(user.is_staff and user.is_superuser for user in users) and not other_operators(users):
            protected.append("the last operator")
        return shown, counts, denied, protected

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Deleting several people at once is one transaction, as deleting one is: what was looked at stays so."""
        with transaction.atomic() if request.method == "POST" else nullcontext():
            return super().changelist_view(request, extra_context)

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """Nobody is kept from locking an account at once; which teams that leaves without an owner is said."""
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data and not obj.is_active:
            for team in teams_left_without_owner([obj]):
                words = f"{team} has no active owner now: make somebody else one, or make this person active again."
                self.message_user(request, words, messages.WARNING)

    @admin.action(description="End all sessions of the selected people", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for sign_in in SignIn.objects.filter(user__in=queryset):
            sign_in.end()
        self.message_user(request, "Their sessions were ended.")


@admin.register(Team)
class TeamAdmin(TakesMembershipsAlong, admin.ModelAdmin):
    form = TeamForm
    list_display = ["name", "slug", "plan", "requires_second_factor", "created_at"]
    list_filter = ["plan", "requires_second_factor"]
    search_fields = ["name", "slug"]
    readonly_fields = ["slug", "created_at"]
    inlines = [MembershipInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a team begins with its owner: on the teams page


@admin.register(Membership)
class MembershipAdmin(ReadOnly, admin.ModelAdmin):
    """Changed in the team's own page of the admin, seen beside the other members."""

    list_display = ["team", "user", "role", "created_at"]
    list_filter = ["role"]
    search_fields = ["team__name", "user__email"]
    list_select_related = ["team", "user"]


@admin.register(SignInLink)
class SignInLinkAdmin(Ended):
    list_display = ["__str__", "created_at", "expires_at", "used_at"]
    list_filter = [("used_at", admin.EmptyFieldListFilter)]
    search_fields = ["user__email"]
    list_select_related = ["user"]


@admin.register(Invitation)
class InvitationAdmin(Ended):
    list_display = ["email", "team", "role", "created_at", "expires_at", "used_at"]
    list_filter = ["role", ("used_at", admin.EmptyFieldListFilter)]
    list_select_related = ["team"]
    search_fields = ["email", "team__name"]


@admin.register(SignIn)
class SignInAdmin(Ended):
    list_display = ["user", "address", "agent", "at", "seen_at"]
    search_fields = ["user__email", "address"]
    list_select_related = ["user"]

    def delete_model(self, request: HttpRequest, obj: SignIn) -> None:
        obj.end()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SignIn]) -> None:
        for sign_in in queryset:
            sign_in.end()


@admin.register(Authenticator)
class AuthenticatorAdmin(Ended):
    """Removing one takes it away, and leaves the others; `manage.py second_factor` takes all."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    exclude = ["data"]


@admin.register(ApiToken)
class ApiTokenAdmin(Ended):
    """Removing one revokes it."""

    list_display = ["name", "user", "scope", "team", "start", "expires_at", "last_used_at"]
    list_filter = ["scope"]
    search_fields = ["name", "user__email", "start"]
    list_select_related = ["user", "team"]
