"""A git host over ssh, on loopback."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

import asyncssh


class Door(asyncssh.SSHServer):
    """Lets anybody in who asks for nothing, unless the host is `private`; then who has a key that is `accepted`."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def begin_auth(self, username: str) -> bool:
        self.host.users.append(username)
        return self.host.private

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.host.keys.append(key.get_fingerprint())
        return self.host.accepted is None or key.get_fingerprint() in self.host.accepted


class Host:
    """A git host: `git-upload-pack '<path>'` beneath `root`, on a port of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private = False
        self.users: list[str] = []
        self.keys: list[str] = []
        self.accepted: set[str] | None = None
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
