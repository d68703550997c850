"""The units for systemd are the Procfile's lines, and systemd takes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dev import units

ROOT = Path(__file__).resolve().parent.parent.parent


def test_they_are_made_from_the_procfile() -> None:
    deploy = ROOT / "deploy"
    kept = {str(path.relative_to(deploy)): path.read_text() for path in deploy.glob("systemd*/*")}
    assert kept == units.files(), "python dev/units.py writes them"
    for name, command in units.lines().items():
        assert f"ExecStart={units.HOME}/{command}\n" in kept[f"systemd/brainpod-{name}.service"]


def test_a_restart_leaves_the_apps_and_a_stop_does_not() -> None:
    """What the engine's agent and the supervisor do at these signals: test_adoption.py, test_again.py."""
    made = units.files()
    assert "RestartKillSignal=SIGUSR2\nKillMode=process\n" in made["systemd/brainpod-engine.service"]
    assert "\nKillSignal" not in made["systemd/brainpod-engine.service"]
    assert "PartOf" not in made["systemd/brainpod-nginx.service"]
    assert "ExecReload=/bin/kill -USR2 $MAINPID\n" in made["systemd-one/brainpod.service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_them(tmp_path: Path) -> None:
    """Of this checkout: it looks whether what is started is there."""
    home = tmp_path / "home"
    (home / ".venv" / "bin").mkdir(parents=True)
    (home / ".venv" / "bin" / "python").symlink_to("/bin/true")
    for path, text in units.files(str(home)).items():
        # It would look for the user, who is made when the platform is installed.
        (tmp_path / Path(path).name).write_text(text.replace("User=brainpod\nGroup=brainpod", "User=root\nGroup=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.glob("brainpod*"))],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    told = [line for line in done.stderr.splitlines() if "brainpod" in line]
    assert (done.returncode, told) == (0, []), done.stderr
