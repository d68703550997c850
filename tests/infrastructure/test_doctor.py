"""The doctor: what is said, and when it is not content."""

from __future__ import annotations

import dataclasses
import re
import socket
import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command

from apps.core.ports import free_port
from apps.infrastructure.embedded import binaries, doctor
from brainpod import wiring
from tests.stack.docker import DockerDaemon
from tests.stack.registry import PASSWORD, USER, RegistryServer

Change = Callable[..., None]


@pytest.fixture
def change(settings: Any) -> Change:
    """Changes fields of the platform's configuration for one test; the port is a free one."""

    def apply(**fields: Any) -> None:
        settings.BRAINPOD = dataclasses.replace(settings.BRAINPOD, **fields)

    apply(port=free_port(), tls_port=0)
    return apply


def run() -> tuple[int, str]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)
    return int(ended.value.code or 0), out.getvalue()


def found(subject: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.subject == subject)


@pytest.mark.django_db
def test_a_line_for_everything_and_a_verdict(change: Change) -> None:
    code, text = run()
    assert code == 0, text
    for subject in ("python", "git", "nginx", "valkey-server", "bao", "bwrap", "sandbox", "port", "disk", "database"):
        assert any(line.startswith(f"{subject} ") for line in text.splitlines()), subject
    assert text.splitlines()[-1].startswith("Ready")


@pytest.mark.django_db
def test_a_missing_program_makes_it_fail(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPOD_NGINX_BINARY", "/nowhere/nginx")
    code, text = run()
    assert code == 1
    assert "BRAINPOD_NGINX_BINARY names /nowhere/nginx" in text
    assert text.rstrip().endswith("Not ready: nginx.")


def without(tmp_path: Path, *left_out: str) -> Path:
    """An nginx that says it was built otherwise: the real one, but for its answer to -V."""
    real = binaries.resolve("nginx").path
    told = subprocess.run([real, "-V"], capture_output=True, text=True, check=True).stderr
    for word in left_out:
        told = re.sub(rf" --{word}(?=\s)", "", told) if word.startswith("with-") else f"{told.strip()} --{word}"
    (tmp_path / "told").write_text(told)
    program = tmp_path / "nginx"
    program.write_text(f'#!/bin/sh\n[ "$1" = -V ] && exec cat "{tmp_path}/told"\nexec "{real}" "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        ("with-http_secure_link_module", "http_secure_link_module (keys of MCP servers)"),
        ("with-http_auth_request_module", "http_auth_request_module (apps that sleep)"),
        ("without-http_map_module", "http_map_module"),
    ],
)
def test_an_nginx_without_what_the_edge_needs_is_not_enough(
    change: Change, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, left_out: str, named: str
) -> None:
    assert [finding.verdict for finding in doctor._programs(django_settings.BRAINPOD)][1] == "ok"
    monkeypatch.setenv("BRAINPOD_NGINX_BINARY", str(without(tmp_path, left_out)))
    (finding,) = [one for one in doctor._programs(django_settings.BRAINPOD) if one.subject == "nginx"]
    assert (finding.verdict, named in finding.text) == ("missing", True), finding.text
    assert finding.text.count("module") == 1, finding.text


@pytest.mark.django_db
def test_a_taken_port_is_named(change: Change) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        change(port=taken.getsockname()[1])
        finding = found("port")
    assert finding.verdict == "missing"
    assert f":{django_settings.BRAINPOD.port} cannot be used" in finding.text


@pytest.mark.parametrize(("sandbox", "verdict"), [("auto", "note"), ("required", "missing"), ("off", "note")])
@pytest.mark.django_db
def test_no_sandbox_is_said_and_refused_where_it_is_required(
    change: Change, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sandbox: str, verdict: str
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("BRAINPOD_BWRAP_BINARY", str(broken))
    monkeypatch.setattr(doctor.os, "geteuid", lambda: 1000)  # run it as it is, not as nobody
    change(sandbox=sandbox, state=tmp_path)
    finding = found("sandbox")
    assert finding.verdict == verdict
    assert ("nothing will run" if sandbox == "required" else "plain process groups") in finding.text
    assert ("No permissions" in finding.text) == (sandbox != "off")


@pytest.mark.django_db
def test_docker_is_told_with_its_version_or_as_missing(
    change: Change, docker_daemon: DockerDaemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for host, verdict, words in (
        (docker_daemon.host, ("ok", "note"), docker_daemon.client().version()["Version"]),
        (f"unix://{tmp_path}/nobody.sock", ("missing",), "does not answer"),
    ):
        change(engine="docker", docker_host=host, state=tmp_path)
        monkeypatch.setattr(doctor, "named", lambda _: wiring.engine())
        finding = found("engine")
        assert finding.verdict in verdict
        assert words in finding.text


def test_the_registry_is_asked_whether_it_answers_and_lets_us_in(change: Change, registry: RegistryServer) -> None:
    given = {"registry": registry.prefix, "registry_user": USER}
    change(**given, registry_password=PASSWORD)
    (told,) = doctor._registry()
    assert (told.verdict, told.text) == ("ok", f"{registry.prefix}, as {USER}")
    change(**given, registry_password="wrong-password")
    (told,) = doctor._registry()
    assert told.verdict == "missing"
    assert "does not accept the credentials" in told.text
    assert "wrong-password" not in told.text
    registry.stop()
    (told,) = doctor._registry()
    assert told.verdict == "missing"
    assert "does not answer" in told.text
    change(registry="")
    assert list(doctor._registry()) == []


@pytest.mark.django_db
def test_nomad_is_told_as_missing_beside_the_sandbox_that_builds(
    change: Change, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    change(engine="nomad", nomad_addr=f"http://127.0.0.1:{free_port()}", state=tmp_path)
    monkeypatch.setattr(doctor, "named", lambda _: wiring.engine())
    finding = found("engine")
    assert finding.verdict == "missing"
    assert finding.text.startswith("nomad: Nomad at http://127.0.0.1:")
    assert "BRAINPOD_NOMAD_ADDR" in finding.text
    assert found("sandbox")


@pytest.mark.django_db
def test_stores_outside_need_no_program_here(change: Change) -> None:
    change(valkey_url="redis://127.0.0.1:1", vault_addr="http://127.0.0.1:1")
    assert not {"valkey-server", "bao"} & {finding.subject for finding in doctor.examine()}


def test_little_room_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for free_mb, verdict in ((100, "missing"), (1000, "note"), (9000, "ok")):
        usage = type("Usage", (), {"free": free_mb * 2**20})
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place, usage=usage: usage)
        assert doctor._room(tmp_path / "not" / "yet").verdict == verdict


def test_an_old_program_of_a_setting_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "nginx"
    old.write_text("#!/bin/sh\necho nginx/1.22.1\n")
    old.chmod(0o755)
    monkeypatch.setenv("BRAINPOD_NGINX_BINARY", str(old))
    assert doctor._program("nginx").verdict == "note"
    assert binaries.numbers("1.22.1") < binaries.WANTED["nginx"].minimum


@pytest.mark.parametrize(("user", "mode", "loud"), [(0, 0o700, True), (0, 0o711, False), (1000, 0o700, False)])
def test_root_s_state_where_others_may_not_pass_is_said_loudly(
    monkeypatch: pytest.MonkeyPatch, short_state: Path, user: int, mode: int, loud: bool
) -> None:
    home = short_state / "home"
    home.mkdir(mode=mode)
    monkeypatch.setattr(doctor.os, "geteuid", lambda: user)
    finding = doctor._state(home / "state")
    assert finding.verdict == ("note" if loud else "ok")
    assert ("RUN AS ROOT" in finding.text) is loud
    assert (f"chmod o+x {home}" in finding.text) is loud


@pytest.mark.django_db
def test_railpack_is_named_where_apps_may_be_planned_by_it(
    change: Change, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    railpack = tmp_path / "railpack"
    monkeypatch.setenv("BRAINPOD_RAILPACK_BINARY", str(railpack))
    assert (found("railpack").verdict, "not used" in found("railpack").text) == ("note", True)
    railpack.write_text("#!/bin/sh\necho railpack version 0.37.0\n")
    railpack.chmod(0o755)
    assert found("railpack").verdict == "ok"
    assert "0.37.0, from the setting" in found("railpack").text
