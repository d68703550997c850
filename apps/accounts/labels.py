"""What people and teams may be called, and what an e-mail address is."""

from __future__ import annotations

import unicodedata

from django.contrib.auth.password_validation import UserAttributeSimilarityValidator, validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.core.errors import Detail, Invalid

_UNLIKE_THE_USER = UserAttributeSimilarityValidator(user_attributes=("name", "email"))
LONGEST_PASSWORD = 200  # argon2 hashes what it is given: nobody may make it hash megabytes


def check_label(text: str, path: str = "name", *, longest: int = 80) -> str:
    """Free text on one line, without the characters that hide or reorder others. Raises Invalid naming `path`."""
    text = unicodedata.normalize("NFC", text).strip()
    if not text:
        raise Invalid([Detail(path, "must not be empty.")])
    if len(text) > longest:
        raise Invalid([Detail(path, f"must be at most {longest} characters.")])
    # Other, control, format, surrogate, unassigned; separators other than the space.
    if any(unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp") for c in text):
        raise Invalid([Detail(path, "must be one line of visible characters.")])
    if not any(c.isalnum() for c in text):
        raise Invalid([Detail(path, "must have a letter or a digit.")])
    return text


def check_email(text: str, path: str = "email") -> str:
    """An address in lower case. Raises Invalid naming `path`."""
    text = text.strip().lower()
    try:
        validate_email(text)
    except ValidationError:
        raise Invalid([Detail(path, "must be an e-mail address, such as ada@example.com.")]) from None
    if len(text) > 254 or not text.isascii():
        raise Invalid([Detail(path, "must be at most 254 ASCII characters.")])
    return text


def check_role(text: str, path: str = "role") -> Role:
    try:
        return Role(text)
    except ValueError:
        raise Invalid([Detail(path, f"must be one of {', '.join(Role.values)}.")]) from None


def check_password(text: str, path: str = "password", *, user: User | None = None) -> str:
    """By the validators of the settings; compared with the name and address of `user`. Raises Invalid naming `path`."""
    if len(text) > LONGEST_PASSWORD:
        raise Invalid([Detail(path, f"must be at most {LONGEST_PASSWORD} characters.")])
    try:
        validate_password(text, user)
        _UNLIKE_THE_USER.validate(text, user)
    except ValidationError as error:
        raise Invalid([Detail(path, message) for message in error.messages]) from None
    return text
