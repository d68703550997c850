"""Private repositories over ssh: one key, in an agent of its own, for a host whose own key is known."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from apps.connections.secrets import make_key_pair
from apps.core.errors import PlatformError, UserError
from apps.sources import ssh
from apps.sources.base import Credential
from apps.sources.git import GitSource
from tests.sources.conftest import git
from tests.sources.ssh_host import Host
from tests.stack.components import wait_for

pytestmark = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="there is no ssh client on this machine")
ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    (tmp_path / "hosted").mkdir()
    return GitSource(tmp_path / "hosted", allowed=LOOPBACK, seconds=60)


def admitted(host: Host, source: GitSource) -> Credential:
    """A new deploy key that the host accepts, with the host's key as it is now."""
    private, public = make_key_pair("brainpod-test")
    host.private = True
    host.accepted = {asyncssh.import_public_key(public).get_fingerprint()}
    authority = f"localhost:{host.port}"
    return Credential(authority, private_key=private, host_key=source.host_key(authority))


def agents() -> set[str]:
    """The agents of this platform that run."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if arguments.startswith(b"ssh-agent") and b"/bp-ssh-" in arguments:
            found.add(process.name)
    return found


def test_a_deploy_key_lets_in_and_stays_in_no_file(source: GitSource, host: Host, work: Path, tmp_path: Path) -> None:
    credential = admitted(host, source)
    before = agents()
    commit = source.resolve(host.url("app"), "main", credential=credential)
    assert commit == git("rev-parse", "HEAD", cwd=work)
    (tmp_path / "x/out").mkdir(parents=True)
    lines: list[str] = []
    source.clone(
        host.url("app"), commit, tmp_path / "x/out", credential=credential, on_line=lines.append,
        cancelled=lambda: False,
    )  # fmt: skip
    assert (tmp_path / "x/out/app.py").exists()
    assert set(host.keys) == host.accepted, "that key and no other is offered"
    secret = credential.private_key.splitlines()[2]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert secret not in "\n".join(lines)
    wait_for(lambda: not agents() - before, what="the agents to end")


def test_another_key_is_refused(source: GitSource, host: Host) -> None:
    credential = admitted(host, source)
    other = Credential(credential.host, private_key=make_key_pair("other")[0], host_key=credential.host_key)
    with pytest.raises(UserError) as caught:
        source.resolve(host.url("app"), "main", credential=other)
    assert caught.value.code == "authentication_failed"
    assert "Git access" in caught.value.hint
    host.accepted = set()  # taken out of the repository's settings
    with pytest.raises(UserError) as caught:
        source.resolve(host.url("app"), "main", credential=credential)
    assert caught.value.code == "authentication_failed"


def test_the_key_is_for_one_host(source: GitSource, host: Host) -> None:
    credential = admitted(host, source)
    with pytest.raises(UserError):
        source.resolve(host.url("app").replace("localhost", "127.0.0.1"), "main", credential=credential)
    assert host.keys == []


def test_a_host_with_another_key_than_the_pinned_one_is_shown_nothing(source: GitSource, host: Host) -> None:
    credential = admitted(host, source)
    assert credential.host_key.startswith("ssh-ed25519 ")
    source.resolve(host.url("app"), "main", credential=credential)
    host.keys.clear()
    host.stop()
    host.start(asyncssh.generate_private_key("ssh-ed25519"))
    with pytest.raises(UserError) as caught:
        source.resolve(host.url("app"), "main", credential=credential)
    assert caught.value.code == "source_unreachable"
    assert "another ssh key" in caught.value.message
    assert host.keys == []


def test_keys_of_hosts(source: GitSource, host: Host) -> None:
    assert source.host_key("github.com").endswith("l9GKJl"), "published, not asked for"
    authority = f"localhost:{host.port}"
    host.stop()
    with pytest.raises(UserError) as caught:
        source.host_key(authority)
    assert caught.value.code == "source_unreachable"
    with pytest.raises(UserError, match="private address"):
        GitSource(source.hosted.root).host_key(authority)
    host.start(asyncssh.generate_private_key("ssh-ed25519"))


def test_an_agent_ends_with_whoever_started_it() -> None:
    """Killed in the middle of a clone, a worker leaves no agent behind that would hold the key."""
    program = (
        "import sys, time; from apps.sources import ssh\n"
        "with ssh._agent(sys.stdin.read()) as (directory, _): print(directory, flush=True); time.sleep(600)"
    )
    before = agents()
    worker = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert worker.stdin
    assert worker.stdout
    worker.stdin.write(make_key_pair("test")[0])
    worker.stdin.close()
    left = Path(worker.stdout.readline().strip())
    assert agents() - before
    worker.kill()
    worker.wait(30)
    worker.stdout.close()
    wait_for(lambda: not agents() - before, 60, "the agent to end")
    wait_for(lambda: not list(left.glob("*")), 60, "its socket to go, and maybe the directory")
    ssh.sweep()
    assert not left.exists()


def test_a_key_that_is_none_leaves_nothing_behind(source: GitSource, host: Host) -> None:
    before = agents()
    broken = Credential(f"localhost:{host.port}", private_key="-----BEGIN NONSENSE-----\n")
    with pytest.raises(PlatformError) as caught:
        source.resolve(host.url("app"), "main", credential=broken)
    assert caught.value.code == "ssh_agent_failed"
    wait_for(lambda: not agents() - before, what="the agents to end")
