"""Clones over ssh, from a real server: by whoever asks, never with the keys of the platform's own user."""

from __future__ import annotations

import ipaddress
import shutil
from pathlib import Path

import asyncssh
import pytest

from apps.core.errors import UserError
from apps.sources.git import GitSource
from tests.sources.conftest import git
from tests.sources.ssh_host import Host

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh client on this machine")
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    (tmp_path / "hosted").mkdir()
    return GitSource(tmp_path / "hosted", allowed=LOOPBACK, seconds=60)


def clone(source: GitSource, host: Host, commit: str, into: Path) -> None:
    into.mkdir(parents=True)
    source.clone(host.url("app"), commit, into, on_line=lambda line: None, cancelled=lambda: False)


def test_resolve_and_clone(source: GitSource, host: Host, work: Path, tmp_path: Path) -> None:
    commit = source.resolve(host.url("app"), "main")
    assert commit == git("rev-parse", "HEAD", cwd=work)
    clone(source, host, commit, tmp_path / "x/out")
    assert (tmp_path / "x/out/app.py").read_text() == "print('one')\n"
    assert set(host.users) == {"git"}


def test_a_private_repository_says_so_and_no_key_is_offered(source: GitSource, host: Host) -> None:
    host.private = True
    with pytest.raises(UserError) as error:
        source.resolve(host.url("app"), "main")
    assert error.value.code == "authentication_failed"
    assert host.keys == [], "the keys of whoever runs the platform are not for its users"


def test_what_is_not_there_is_said(source: GitSource, host: Host) -> None:
    with pytest.raises(UserError) as error:
        source.resolve(host.url("nothing"), "main")
    assert error.value.code == "repository_not_found", error.value.hint


def test_a_host_whose_key_has_changed_is_not_trusted(source: GitSource, host: Host) -> None:
    source.resolve(host.url("app"), "main")
    host.stop()
    host.start(asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(UserError) as error:
        source.resolve(host.url("app"), "main")
    assert error.value.code == "source_unreachable"
