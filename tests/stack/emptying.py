"""The database after a test whose transactions were real: every row is deleted, and what migrations made stays.

Django's own flush has all tables truncated, and then makes content types and permissions again for every app: it takes
30 times as long after a test that left a handful of rows.
"""

from __future__ import annotations

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase

STAYS = {Permission._meta.db_table, ContentType._meta.db_table}


def empty() -> None:
    """The order of the tables does not matter: both databases look at foreign keys when the transaction ends."""
    with connection.cursor() as cursor, transaction.atomic():
        there = connection.introspection.django_table_names(only_existing=True, include_views=False)
        for name in sorted(set(there) - STAYS):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(name)}")


def instead_of_flush() -> None:
    TransactionTestCase._fixture_teardown = lambda self: empty()  # type: ignore[method-assign]
