"""Databases, and what is asked of their servers: corpora/databases.yaml.

What is a name and only hard to quote is let through, and tried on real servers in tests/sql.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.databases.actions import check
from apps.sql import asked, mysql, postgres
from apps.sql.base import Column, Filter, Sort, Structure
from tests.security.corpus import Group, groups, hold
from tests.security.entries import parse

COLUMNS = (Column("a", "text"), Column("b", "text"))
KEYED = Structure((Column("id", "int", primary=True), *COLUMNS), (), (), ("id",))


def privilege(one: str) -> None:
    """Of both servers: what one of them knows is not for the other."""
    for known in (postgres.users.PRIVILEGES, mysql.users.PRIVILEGES):
        asked.privileges([one], known)


ENTRIES: dict[str, Callable[[Any], object]] = {
    "name": lambda text: asked.name("name", text),
    "password": asked.password,
    "privilege": privilege,
    "limit": lambda limit: asked.page(limit, 0, 1000),
    "offset": lambda offset: asked.page(10, offset, 1000),
    "column": lambda name: asked.conditions(COLUMNS, [Filter(name, "=", "x")], None),
    "operator": lambda operator: asked.conditions(COLUMNS, [Filter("a", operator, "x")], None),
    "filter": lambda value: asked.conditions(COLUMNS, [Filter("a", "=", value)], None),
    "sort": lambda name: asked.conditions(COLUMNS, [], Sort(name)),
    "row": lambda name: asked.values(COLUMNS, {name: "x"}),
    "cell": lambda value: asked.values(COLUMNS, {"a": value}),
    "key": lambda name: asked.key(KEYED, {name: "1"}),
    "statement": check,
}


@pytest.mark.parametrize("group", groups("databases"), ids=str)
def test_refused(group: Group) -> None:
    hold(group, ENTRIES.get(group.entry) or (lambda value: parse(group, value)))
