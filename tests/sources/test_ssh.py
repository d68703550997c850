"""Clones over ssh, from a real server: by whoever asks, never with the keys of the platform's own user."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from apps.core.errors import UserError
from apps.sources.git import GitSource
from tests.sources.conftest import git

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh client on this machine")
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]


class Door(asyncssh.SSHServer):
    """Lets anybody in who asks for nothing, unless the host is `private`; notes what else was offered."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def begin_auth(self, username: str) -> bool:
        self.host.users.append(username)
        return self.host.private

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.host.keys.append(key.get_fingerprint())
        return True


class Host:
    """A git host: `git-upload-pack '<path>'` beneath `root`, on a port of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private = False
        self.users: list[str] = []
        self.keys: list[str] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncssh.SSHAcceptor | None = None

    def start(self, key: asyncssh.SSHKey) -> None:
        asyncio.run_coroutine_threadsafe(self._start(key), self._loop).result(30)

    async def _start(self, key: asyncssh.SSHKey) -> None:
        self._server = await asyncssh.create_server(
            lambda: Door(self), "127.0.0.1", self.port, server_host_keys=[key], process_factory=self._serve,
            encoding=None, reuse_address=True,
        )  # fmt: skip
        self.port = self._server.get_port()

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        program, _, path = (process.command or "").partition(" ")
        if program != "git-upload-pack":
            process.exit(1)
            return
        repository = self.root / path.strip("'").lstrip("/")
        served = await asyncio.create_subprocess_exec(
            "git", "upload-pack", "--", str(repository), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        # Its words before the end of its answer: git ends ssh as soon as it has seen that.
        await process.redirect(stdin=served.stdin, stdout=served.stdout, send_eof=False)
        assert served.stderr
        process.stderr.write(await served.stderr.read())
        status = await served.wait()
        await process.stdout.drain()
        await process.stderr.drain()
        process.exit(status)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()
        gc.collect()  # what is left of connections ends here, not in the middle of another test

    def url(self, name: str) -> str:
        return f"ssh://git@localhost:{self.port}/{name}.git"


@pytest.fixture
def host(tmp_path: Path, work: Path) -> Iterator[Host]:
    root = tmp_path / "served"
    root.mkdir()
    git("init", "--quiet", "--bare", str(root / "app.git"), cwd=root)
    git("push", "--quiet", str(root / "app.git"), "--all", cwd=work)
    made = Host(root)
    made.start(asyncssh.generate_private_key("ssh-ed25519"))
    yield made
    made.close()


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
