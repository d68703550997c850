"""dev/environment.py: when an environment is good enough, and what becomes of a half-made one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev_environment", ROOT / "dev" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(maker: ModuleType, path: Path, *, dev: bool) -> Path:
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "python").symlink_to(sys.executable)
    lock = ROOT / ("requirements-dev.lock" if dev else "requirements.lock")
    (path / maker.MARKER).write_text(maker.marker(lock, dev=dev))
    return path


def test_one_made_from_today_s_lock_is_current(maker: ModuleType, tmp_path: Path) -> None:
    environment = made(maker, tmp_path / "e", dev=False)
    assert maker.is_current(environment, dev=False)
    assert not maker.is_current(environment, dev=True)


def test_a_development_one_serves_for_running(maker: ModuleType, tmp_path: Path) -> None:
    environment = made(maker, tmp_path / "e", dev=True)
    assert maker.is_current(environment, dev=True)
    assert maker.is_current(environment, dev=False)


def test_another_lock_a_missing_python_or_no_mark_is_not(maker: ModuleType, tmp_path: Path) -> None:
    environment = made(maker, tmp_path / "e", dev=False)
    (environment / "bin" / "python").unlink()
    assert not maker.is_current(environment, dev=False)
    older = made(maker, tmp_path / "o", dev=False)
    (older / maker.MARKER).write_text("run 0000 3.11 linux\n")
    assert not maker.is_current(older, dev=False)
    (older / maker.MARKER).unlink()
    assert not maker.is_current(older, dev=False)


def test_a_current_one_is_left_alone_and_nothing_is_said(
    maker: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "make", lambda *args: pytest.fail("made again"))
    assert maker.main([], made(maker, tmp_path / "e", dev=True)) == 0
    assert capsys.readouterr().out == ""


def test_an_interrupted_one_is_made_again_and_marked_only_when_whole(
    maker: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = made(maker, tmp_path / "e", dev=False)
    (environment / maker.MARKER).unlink()

    def fails(*args: object) -> None:
        raise subprocess.CalledProcessError(2, ["uv"])

    monkeypatch.setattr(maker, "make", fails)
    assert maker.main([], environment) == 1
    assert "half made" in capsys.readouterr().out
    assert not (environment / maker.MARKER).exists()
    monkeypatch.setattr(maker, "make", lambda *args: None)
    assert maker.main([], environment) == 0
    assert maker.is_current(environment, dev=False)


def test_a_python_too_old_is_said(
    maker: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "OLDEST", (99, 0))
    assert maker.main([]) == 1
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


def test_uv_s_own_entry_is_found_in_the_lock_with_its_hashes(maker: ModuleType) -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        entry = maker.entry_of("uv", (ROOT / lock).read_text())
        lines = entry.splitlines()
        assert lines[0].startswith("uv==")
        assert len(lines) > 1
        assert all(line.strip().startswith("--hash=sha256:") for line in lines[1:])
    assert maker.entry_of("uvx", "uv==1 \\\n    --hash=sha256:0\n") == ""


def test_it_needs_nothing_but_the_standard_library() -> None:
    code = "import sys; sys.argv = ['x']; import runpy; runpy.run_path('dev/environment.py', run_name='x')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_makefile_and_ci_call_what_is_there() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    done = subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for target in ("up", "test", "test-postgres", "check", "lint", "format", "bench", "doctor", "reset", "lock"):
        made = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "make up" in listed


def test_reset_asks_first_and_refuses_what_is_no_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "run").mkdir(parents=True)
    (state / "secret-key").write_text("x")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis").write_text("x")

    def reset(where: Path, answer: str, *args: str) -> int:
        env = {**os.environ, "BRAINPOD_STATE": str(where)}
        command = [sys.executable, "dev/reset.py", *args]
        return subprocess.run(
            command, cwd=ROOT, env=env, input=answer, text=True, capture_output=True, check=False
        ).returncode

    assert reset(state, "no\n") == 1
    assert reset(state, "") == 1
    assert reset(other, "yes\n", "--yes") == 1
    assert (state / "secret-key").exists()
    assert (other / "thesis").exists()
    assert reset(state, "yes\n") == 0
    assert not state.exists()
