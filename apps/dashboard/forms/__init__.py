"""What the pages' forms have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django import forms
from django.core.exceptions import ValidationError

from apps.core.errors import Invalid


def checked(check: Callable[..., str], text: str, *args: object, **kwargs: object) -> str:
    """A domain check inside `clean_…`: its messages become the field's."""
    try:
        return check(text, *args, **kwargs)
    except Invalid as error:
        raise ValidationError([sentence(detail.message) for detail in error.details]) from None


@contextmanager
def errors_into(form: forms.Form) -> Iterator[None]:
    """What an action refuses stands beside the fields that it names; look at `form.is_valid()` afterwards."""
    try:
        yield
    except Invalid as error:
        for detail in error.details:
            form.add_error(detail.path if detail.path in form.fields else None, sentence(detail.message))


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
