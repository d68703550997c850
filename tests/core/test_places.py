"""Where the state is kept when nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.core import places
from apps.core.places import default_state, first_closed


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """In a folder that only its owner may enter, beneath others that anybody may."""
    home = tmp_path / "home"
    (home / "checkout").mkdir(parents=True)
    home.chmod(0o700)
    return home / "checkout"


def test_the_topmost_closed_folder_is_named(tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    above = next((folder for folder in (*reversed(tmp_path.parents), tmp_path) if not folder.stat().st_mode & 1), None)
    assert first_closed(checkout / "var" / "run") == (above or checkout.parent)
    assert first_closed(Path("/usr/bin")) is None


@pytest.mark.parametrize(("user", "closed", "begun", "system"), [
    (0, True, False, True),
    (0, True, True, False),  # what is there is gone on with
    (0, False, False, False),
    (1000, True, False, False),
])  # fmt: skip
def test_root_s_state_is_where_others_may_pass(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, user: int, closed: bool, begun: bool, system: bool
) -> None:
    monkeypatch.setattr(places.os, "geteuid", lambda: user)
    if not closed:
        monkeypatch.setattr(places, "first_closed", lambda path: None)
    if begun:
        (checkout / "var").mkdir()
        (checkout / "var" / "secret-key").write_text("x")
    assert default_state(checkout, Path("/of/the/system")) == (Path("/of/the/system") if system else checkout / "var")
