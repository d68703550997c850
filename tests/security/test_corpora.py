"""What holds of every corpus: it is large, and no case is there twice."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.security.corpus import CORPORA, LEAST, Group, groups, shown


def test_there_is_one_for_every_part() -> None:
    assert CORPORA == [
        "accounts", "api", "apps", "builds", "configs", "databases", "notifications", "policies", "routes", "webhooks",
    ]  # fmt: skip


def case_of(group: Group, value: object) -> tuple[str, ...]:
    return group.entry, group.at, repr(sorted(map(repr, group.more.items()))), repr(value)


@pytest.mark.parametrize("corpus", CORPORA)
def test_it_is_large_and_without_doubles(corpus: str) -> None:
    cases = Counter(case_of(group, value) for group in groups(corpus) for value in group.bad)
    assert len(cases) >= LEAST
    assert [shown(case) for case, count in cases.items() if count > 1] == []
    assert len({group.about for group in groups(corpus)}) == len(groups(corpus)), "each group is told by its words"
    assert all(group.says for group in groups(corpus))
