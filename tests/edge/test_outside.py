"""An nginx that somebody else runs: it includes what we write, is told, and is never left with what it refuses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apps.core.errors import PlatformError, Unavailable
from apps.edge import control
from apps.edge.base import EdgeState, Site
from apps.edge.binary import wheel_binary
from apps.edge.nginx import NginxEdge
from apps.edge.outside import Outside
from tests.edge.conftest import Stand, app, wait_for
from tests.edge.load import Load

THEIRS = """
{user} daemon off; worker_processes 2; pid "{home}/pid"; error_log "{home}/error.log";
events {{ worker_connections 512; }}
http {{
  include "{directory}/*.conf";
  access_log off; default_type text/plain; add_header X-Theirs yes;
  client_body_temp_path "{home}/t1"; proxy_temp_path "{home}/t2"; fastcgi_temp_path "{home}/t3";
  uwsgi_temp_path "{home}/t4"; scgi_temp_path "{home}/t5"; keepalive_min_timeout 1s;
  map $host $proto {{ default theirs; }}
  map $host $to {{ default theirs; }}
  server {{ listen 127.0.0.1:{port} default_server; location / {{ return 200 "$proto $to\\n"; }} }}
  {more}
}}
"""


class Elsewhere(Stand):
    """Somebody's nginx with a site of its own; ours is included by it."""

    def __init__(self, root: Path) -> None:
        self.home = root / "theirs"
        self.home.mkdir(mode=0o755)
        self.directory = root / "included"
        self.conf = self.home / "nginx.conf"
        super().__init__(root)

    def another(self, **settings: object) -> NginxEdge:
        their = (str(wheel_binary()), "-p", str(self.home), "-e", str(self.home / "error.log"), "-c", str(self.conf))
        user = "nobody" if os.geteuid() == 0 else ""
        outside = Outside(self.directory, (*their, "-s", "reload"), (*their, "-t", "-q"), self.home / "pid", user)
        return super().another(**{"outside": outside, "patience": 60, **settings})

    def write(self, more: str = "") -> None:
        user = "user nobody;" if os.geteuid() == 0 else ""
        group = self.edge.layout.user.split()
        user = f"user {group[0]} {group[1]};" if group else user
        given = {"home": self.home, "port": self.port, "directory": self.directory}
        self.conf.write_text(THEIRS.format(user=user, more=more, **given))

    def start(self) -> None:
        self.write()
        command = [str(wheel_binary()), "-p", str(self.home), "-e", f"{self.home}/error.log", "-c", str(self.conf)]
        self._process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
        wait_for(lambda: self._hears() and (self.home / "pid").exists())

    def _hears(self) -> bool:
        assert self.process.poll() is None, (self.home / "error.log").read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def theirs() -> Iterator[Elsewhere]:
    root = Path(tempfile.mkdtemp(prefix="bp-o-"))
    root.chmod(0o711)
    stand = Elsewhere(root)
    try:
        yield stand
    finally:
        stand.stop()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def stand(theirs: Elsewhere) -> Elsewhere:
    """Their nginx runs and has taken our first configuration."""
    theirs.start()
    theirs.edge.prepare()
    assert theirs.edge.served().refused == ""
    return theirs


def test_switches_under_load_fail_nothing(stand: Elsewhere) -> None:
    current = stand.upstream("v0")
    stand.apply(app("shop.test", current.address))
    with Load(stand.port, "shop.test") as load:
        for number in range(1, 7):
            new = stand.upstream(f"v{number}")
            answered = load.answered
            reloading = number % 2 == 0
            applied = stand.apply(app("shop.test", new.address, timeout=60 + number // 2))
            assert applied.reloaded is reloading
            stand.edge.settle(60)
            assert stand.ask("shop.test").json()["name"] == new.name
            wait_for(lambda seen=answered: load.answered > seen + 20)
            current = new
    assert load.failures == []


def test_everybody_keeps_what_is_theirs(stand: Elsewhere) -> None:
    stand.apply(app("shop.test", stand.upstream().address), Site("off.test", answer="disabled"))
    own = stand.ask("their.test")
    assert (own.text, own.headers["X-Theirs"], "X-Request-ID" in own.headers) == ("theirs theirs\n", "yes", False)
    ours = stand.ask("shop.test")
    assert ours.json()["name"] == "app"
    assert "X-Theirs" not in ours.headers
    assert len(ours.headers.get_list("X-Request-ID")) == 1
    assert stand.ask("off.test").status_code == 403
    assert "Disabled" in stand.ask("off.test").text
    assert sorted(path.name for path in stand.directory.glob("*.conf")) == ["brainpod-sizes.conf", "brainpod.conf"]
    assert not stand.edge.layout.admin.exists(), (
        "a socket that a killed nginx leaves behind would keep it from starting"
    )


def test_what_it_refuses_is_taken_back(stand: Elsewhere) -> None:
    first = stand.apply(app("shop.test", stand.upstream().address))
    good = stand.edge.layout.configuration.read_text()
    stand.write(more="log_format brainpod escape=json 'mine';")
    with pytest.raises(Unavailable, match="brainpod") as caught:
        stand.apply(app("shop.test", stand.upstream("b").address, timeout=5))
    assert caught.value.code == "edge_refused"
    served = stand.edge.served()
    assert (served.text, served.generation) == (good, first.generation)
    assert served.refused in str(caught.value)
    assert served.refused_at > 0
    assert served.since > 0
    assert stand.ask("shop.test").json()["name"] == "app"
    stand.write()
    assert stand.apply(app("shop.test", stand.upstream("c").address, timeout=5)).generation > first.generation
    assert stand.edge.served().refused == ""
    assert stand.ask("shop.test").json()["name"] == "c"


def test_a_reload_that_fails_is_rolled_back(stand: Elsewhere) -> None:
    first = stand.apply(app("shop.test", stand.upstream().address))
    outside = stand.edge.layout.outside
    assert outside
    false = shutil.which("false") or "/bin/false"
    broken = stand.another(outside=Outside(outside.directory, (false,), outside.test, outside.pid, outside.user))
    with pytest.raises(Unavailable, match="could not be told") as caught:
        broken.apply(lambda: EdgeState((app("new.test"),)))
    assert caught.value.code == "edge_refused"
    assert stand.edge.served().generation == first.generation
    assert stand.ask("shop.test").json()["name"] == "app"


def test_what_answered_before_us_is_waited_out(theirs: Elsewhere) -> None:
    """Its reload command returns before its workers change: until then the operator's own site answers for ours."""
    theirs.start()
    outside = theirs.edge.layout.outside
    assert outside
    late = ("sh", "-c", '(sleep 1; exec "$@") > /dev/null 2>&1 &', "sh", *outside.reload)
    slow = theirs.another(outside=Outside(outside.directory, late, outside.test, outside.pid, outside.user))
    slow.prepare()
    assert slow.served().refused == ""
    assert slow.generation() == slow.served().generation
    assert slow.apply(lambda: EdgeState((app("shop.test", theirs.upstream().address),))).reloaded
    assert theirs.ask("shop.test").json()["name"] == "app"


def test_it_may_come_later_and_go_hard(theirs: Elsewhere) -> None:
    upstream = theirs.upstream()
    theirs.write()
    theirs.edge.prepare()
    with pytest.raises(Unavailable) as caught:
        theirs.apply(app("shop.test", upstream.address))
    assert caught.value.code == "edge_unavailable"
    theirs.start()
    assert theirs.ask("shop.test").json()["name"] == "app"
    theirs.end(signal.SIGKILL)
    theirs.start()
    assert theirs.ask("shop.test").json()["name"] == "app"
    assert not theirs.apply(app("shop.test", upstream.address)).reloaded


def test_a_first_configuration_that_is_refused_leaves_none(theirs: Elsewhere) -> None:
    theirs.start()
    theirs.write(more="nonsense;")
    theirs.edge.prepare()
    assert "nonsense" in theirs.edge.served().refused
    assert not theirs.edge.layout.configuration.exists()


def test_logs_are_put_aside(stand: Elsewhere) -> None:
    stand.apply(app("shop.test", stand.upstream().address))
    old, log = stand.edge.access_logs()
    stand.ask("shop.test")
    wait_for(lambda: log.exists() and log.stat().st_size)
    assert stand.edge.rotate_access_log(0)
    assert old.stat().st_size
    wait_for(log.exists)
    assert control.master(stand.edge.layout) == stand.process.pid


def test_what_it_cannot_work_with_is_refused(theirs: Elsewhere) -> None:
    outside = Outside(Path("/proc/nobody/may"), ("true",), (), theirs.home / "pid")
    with pytest.raises(PlatformError) as caught:
        theirs.another(outside=outside).prepare()
    assert caught.value.code == "edge_settings"
