"""Identifiers tell what is newer, whatever the clock says."""

from __future__ import annotations

import time

import pytest

from apps.core import ids


def test_newer_ones_are_greater(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for the processes that begin after the clock was set back, and when it is right again."""
    real = time.time_ns
    made = [ids.new_id()]
    for days in (1, 0, -2, -2, 0, 1):
        monkeypatch.setattr(time, "time_ns", lambda days=days: real() + days * 86_400_000_000_000)
        made.append(ids.new_id())
        ids._newest.cache_clear()
        time.sleep(0.002)
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {len(one) for one in made} == {16}
    (ids.settings.BRAINPOD.state / "newest-id").write_bytes(bytes(8))  # not a day ahead for the tests that follow


def test_without_a_place_to_remember_it(settings, tmp_path) -> None:
    """A disk that is full, or a directory that is not there: identifiers all the same."""
    from dataclasses import replace

    settings.BRAINPOD = replace(settings.BRAINPOD, state=tmp_path / "nowhere")
    assert ids.new_id()[:6] == ids.new_id()[:6]
