"""What the pages' forms have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from django import forms
from django.core.exceptions import ValidationError

from apps.core.errors import Invalid, UserError


def checked(check: Callable[..., str], text: str, *args: object, **kwargs: object) -> str:
    """A domain check inside `clean_…`: its messages become the field's."""
    try:
        return check(text, *args, **kwargs)
    except Invalid as error:
        raise ValidationError([sentence(detail.message) for detail in error.details]) from None


@contextmanager
def errors_into(form: forms.Form, *, codes: Mapping[str, str | None] | None = None) -> Iterator[None]:
    """What an action refuses stands beside the fields that it names; look at `form.is_valid()` afterwards.

    `codes`: other errors that are said on the form too, with the field each belongs to; None: to none of them.
    """
    try:
        yield
    except Invalid as error:
        for detail in error.details:
            form.add_error(detail.path if detail.path in form.fields else None, sentence(detail.message))
    except UserError as error:
        if codes is None or error.code not in codes:
            raise
        form.add_error(codes[error.code], str(error))


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
