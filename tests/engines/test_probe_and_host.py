"""Reading the socket tables, and what the host lends."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from apps.engines import probe
from apps.engines.process import host
from tests.engines.workloads import until

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3
"""


def test_only_what_listens_is_read() -> None:
    assert probe.listening(TABLE) == [("::1", 80), ("127.0.0.1", 5000)]


@pytest.mark.parametrize("state", ["01", "03", "04", "08", "09", "0B"])
def test_what_somebody_waits_for_is_open(state: str) -> None:
    row = f"   0: 0800000A:1F90 0100000A:C000 {state} 0:0 00:0 0 0 0 3\n"
    assert probe.connections(TABLE + row, 8080) == 2
    assert probe.connections(TABLE + row, 80) == 0, "what listens is no connection"


@pytest.mark.parametrize("state", ["05", "06", "07"])
def test_what_has_all_it_waited_for_is_not(state: str) -> None:
    assert probe.connections(TABLE + f"   0: 0800000A:1F90 0100000A:C000 {state} 0:0 00:0 0 0 0 3\n", 8080) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_was_not_let_in_yet_is_known_on_this_side_only(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET6 and not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    with socket.create_server((host, 0), family=family, backlog=0) as full, contextlib.ExitStack() as held:
        address = f"[{host}]:{full.getsockname()[1]}" if ":" in host else f"{host}:{full.getsockname()[1]}"
        assert probe.arriving(address) == 0
        for _ in range(5):
            asking = held.enter_context(socket.socket(family))
            asking.setblocking(False)
            asking.connect_ex(full.getsockname())
        until(lambda: probe.arriving(address) >= 2, "some to wait")
    until(lambda: probe.arriving(address) == 0, "nobody to wait")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "listens on nothing yet; it should listen on $PORT 8080"),
        ([("127.0.0.1", 5000)], "listens on 127.0.0.1:5000, not on $PORT 8080"),
        ([("::1", 8080)], "listens on [::1]:8080, not on $PORT 8080"),
        ([("0.0.0.0", 8080)], None),
        ([("::", 8080), ("127.0.0.1", 1)], None),
    ],
)
def test_words(found: list[tuple[str, int]], words: str | None) -> None:
    assert probe.describe(found, 8080) == words


def test_registry_settings_come_from_files_and_environment(tmp_path: Path) -> None:
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text("[global]\nindex-url = https://pip.example/simple\n")
    (tmp_path / ".config/uv").mkdir()
    (tmp_path / ".config/uv/uv.toml").write_text('[[index]]\nurl = "https://uv.example/simple"\ndefault = true\n')
    (tmp_path / ".npmrc").write_text("registry=https://npm.example/\n//npm.example/:_authToken=planted\n")
    found = host.look({"PIP_INDEX_URL": "https://env.example/simple", "no_proxy": ".corp, x"}, tmp_path)
    assert found.registries["PIP_INDEX_URL"] == "https://env.example/simple"
    assert found.registries["UV_DEFAULT_INDEX"] == "https://uv.example/simple"
    assert found.registries["NPM_CONFIG_REGISTRY"] == "https://npm.example/"
    assert "planted" not in str(found)
    assert {"env.example", "uv.example", "npm.example", "pypi.org"} <= found.registry_hosts
    assert found.no_proxy == ("corp", "x")


def test_nothing_else_of_the_environment_is_lent() -> None:
    found = host.look(
        {"AWS_SECRET_ACCESS_KEY": "planted", "PIP_TARGET": "/x", "UV_CACHE_DIR": "/y"}, Path("/nonexistent")
    )
    assert "planted" not in str(found)
    assert not {"PIP_TARGET", "UV_CACHE_DIR"} & set(found.registries)
