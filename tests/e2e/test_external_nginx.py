"""The whole platform behind an nginx that it does not run: from a push to a live app, and after nginx was killed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from grp import getgrgid
from pathlib import Path
from pwd import getpwnam

import pytest

from apps.edge.binary import wheel_binary
from tests.e2e.test_git_push import TOKEN, Pusher
from tests.e2e.test_push_to_live import request
from tests.edge.load import Load
from tests.stack.components import wait_for
from tests.stack.platform import Platform
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
THEIRS = """
{user} daemon off; worker_processes 2; pid "{home}/pid"; error_log "{home}/error.log";
events {{ worker_connections 512; }}
http {{
  include "{home}/brainpod/*.conf";
  access_log off; default_type text/plain;
  client_body_temp_path "{home}/t1"; proxy_temp_path "{home}/t2"; fastcgi_temp_path "{home}/t3";
  uwsgi_temp_path "{home}/t4"; scgi_temp_path "{home}/t5";
  server {{ listen 127.0.0.1:{port} default_server; location / {{ return 200 "theirs\\n"; }} }}
}}
"""


class Nginx:
    """Somebody's own, with one site, that includes what the platform writes."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.included = home / "brainpod"
        self.included.mkdir()
        user = f"user nobody {getgrgid(getpwnam('nobody').pw_gid).gr_name};" if os.geteuid() == 0 else ""
        (home / "nginx.conf").write_text(THEIRS.format(user=user, home=home, port=port))
        self._command = [str(wheel_binary()), "-p", str(home), "-e", f"{home}/error.log", "-c", f"{home}/nginx.conf"]
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self) -> dict[str, str]:
        return {
            "BRAINPOD_NGINX": "external",
            "BRAINPOD_NGINX_DIRECTORY": str(self.included),
            "BRAINPOD_NGINX_RELOAD": shlex.join([*self._command, "-s", "reload"]),
            "BRAINPOD_NGINX_TEST": shlex.join([*self._command, "-t", "-q"]),
            "BRAINPOD_NGINX_PID": str(self.home / "pid"),
            "BRAINPOD_NGINX_USER": "nobody" if os.geteuid() == 0 else "",
        }

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, start_new_session=True, stdin=subprocess.DEVNULL)
        wait_for((self.home / "pid").exists, 30, "their nginx")

    def kill(self) -> None:
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
            self._process = None
            (self.home / "pid").unlink(missing_ok=True)


@pytest.fixture
def stand() -> Iterator[tuple[Platform, Nginx]]:
    home = Path(tempfile.mkdtemp(prefix="bp-o-"))
    home.chmod(0o755)
    platform = Platform()
    nginx = Nginx(home, platform.port)
    platform.env |= nginx.settings()
    try:
        nginx.start()
        yield platform.start(), nginx
    finally:
        platform.remove()
        nginx.kill()
        shutil.rmtree(home, ignore_errors=True)


def test_a_push_goes_live_and_nginx_may_end_at_any_time(stand: tuple[Platform, Nginx], tmp_path: Path) -> None:
    platform, nginx = stand
    Visitor(platform).close()  # the first to sign in makes the team
    said = platform.manage("shell", "-v", "0", "-c", TOKEN).stdout
    token = next(line for line in said.splitlines() if line.startswith("token ")).split()[1]
    work = Pusher(tmp_path / "work", platform.url(path=""), token)  # an address is their own host
    work.app("first")
    done = work.push("shop.git")
    assert "web is live at" in done.stderr, done.stderr + platform.tails()
    assert request(platform, "shop.localhost")[1].startswith("first")
    assert request(platform, "elsewhere.test") == (200, "theirs\n")

    with Load(platform.port, "shop.localhost"):  # its end says what failed
        work.app("second")
        done = work.push("shop.git")
    assert "web is live at" in done.stderr, done.stderr + platform.tails()
    assert request(platform, "shop.localhost")[1].startswith("second")

    nginx.kill()
    nginx.start()
    assert request(platform, "shop.localhost")[1].startswith("second"), "what was written is read at the start"
    done = platform.manage("doctor", check=False)
    assert done.returncode == 0, done.stdout
    assert not (platform.state / "run" / "nginx.pid").exists(), "the platform runs none itself"
