"""What operators do in Django's admin is in the audit log too: for admins that let anything be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from apps.audit import trail

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = object


class Noted(Base):
    """Beside Django's own history, and in the transaction of the change, as that is."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _note("operator.add", request, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _note("operator.change", request, obj, changes=_changes(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        rows = list(queryset)
        for row in rows:
            _note("operator.remove", request, row)
        return super().log_deletions(request, queryset)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any) -> Any:
        """Deleting is told by log_deletions, which knows what is gone in the end."""
        chosen = request.POST.getlist("action")
        name = next((one for one in chosen if one in self.get_actions(request)), "")
        rows = list(queryset.filter(pk__in=request.POST.getlist("_selected_action"))[:100])
        answer = super().response_action(request, queryset, *args, **kwargs)
        if name and name != "delete_selected":
            for row in rows:
                _note("operator.action", request, row, action=name)
        return answer


def _note(verb: str, request: HttpRequest, row: Model, **details: Any) -> None:
    trail.note(verb, by=request.user, about=row, name=f"{row._meta.verbose_name} {row}", **details)


def _changes(message: Any) -> list[str]:
    """`changed: Role`, `added Vera in Home (owner)`: what Django writes about a change, without values of fields."""
    told = []
    for part in message if isinstance(message, list) else []:
        for what, of in part.items() if isinstance(part, dict) else ():
            fields = ", ".join(map(str, of.get("fields", ())))
            told.append(f"{what} {of.get('object', '')}".strip() + (f": {fields}" if fields else ""))
    return told
