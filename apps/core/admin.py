"""What the operators' pages of every app share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """For admins and inlines of rows that the platform alone writes: looked at, never added, changed or removed."""

    show_full_result_count = False  # a second COUNT over what may be millions of rows

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
