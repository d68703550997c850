"""Two families of errors: the user's to mend, and the platform's.

A `UserError` is shown as it is, so its words must say what is wrong and what to do. A `PlatformError` is shown
with an id and logged with its cause. Every code stands in docs/errors.md (a test compares).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detail:
    """What is wrong with one field; `path` is dotted as in a spec: `env.0.name`."""

    path: str
    message: str


class UserError(Exception):
    """Something the user can mend. `status` is the HTTP status a face answers with."""

    def __init__(self, code: str, message: str, hint: str = "", *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Invalid(UserError, ValueError):
    """Input that does not hold; `details` name the fields. A ValueError, so pydantic validators may raise it."""

    def __init__(self, details: Iterable[Detail] | str, *, code: str = "invalid", hint: str = "") -> None:
        self.details = [Detail("", details)] if isinstance(details, str) else list(details)
        message = "; ".join(f"{d.path}: {d.message}" if d.path else d.message for d in self.details)
        super().__init__(code, message, hint, status=422)


class NotFound(UserError):
    """No such object for this person: the same answer whether it never was or belongs to somebody else."""

    def __init__(self, what: str) -> None:
        super().__init__("not_found", f"There is no {what}.", status=404)


class Conflict(UserError):
    """The state has moved on: a stale plan, a lost race, a name that is taken."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint, status=409)


class PlatformError(Exception):
    """Something the platform has to answer for. `id` is shown to the user and stands in the log."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.id = secrets.token_hex(4)

    def __str__(self) -> str:
        return self.message


class Unavailable(PlatformError):
    """A component does not answer now; trying again later may help."""
