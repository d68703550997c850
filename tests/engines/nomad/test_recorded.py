"""The engine against answers of a real agent, and against what goes wrong on the way to one."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.core.errors import PlatformError, Unavailable, UserError
from apps.engines.base import State
from apps.engines.nomad import client, following, output
from apps.engines.nomad.client import NomadEngine
from tests.engines.nomad.api import JOB, Api, engine_on, recorded
from tests.engines.workloads import echo_server, until, worker


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.close()


@pytest.fixture
def engine(api: Api, tmp_path: Path) -> NomadEngine:
    return engine_on(api.address, tmp_path)


def test_what_runs(api: Api, engine: NomadEngine) -> None:
    found = api.knows("running", "web-1")
    (port,) = found["allocations"][0]["AllocatedResources"]["Shared"]["Ports"]
    status = engine.status({"id": "web-1"})
    assert (status.state, status.restarts, status.reason) == (State.RUNNING, 0, "")
    assert status.address == f"127.0.0.1:{port['Value']}"
    assert status.since is not None
    assert status.since.year >= 2026


def test_what_waits_for_its_next_start(api: Api, engine: NomadEngine) -> None:
    api.knows("restarting", "crashing")
    status = engine.status({"id": "crashing"})
    assert (status.state, status.exit_code, status.restarts) == (State.RESTARTING, 3, 0)
    assert status.reason.startswith("exited with code 3; restarted 0 of 10 in this window, next try in ")


@pytest.mark.parametrize(
    ("name", "workload", "words"),
    [
        ("unplaced", "too-big", "cannot be placed: of 1 node none fits, 1 without enough memory free"),
        ("nowhere", "nowhere", "cannot be placed: no node of its datacenter is ready"),
        ("no-tree", "no-tree", "Failed to download artifact"),
    ],
)
def test_what_does_not_start_says_why(api: Api, engine: NomadEngine, name: str, workload: str, words: str) -> None:
    api.knows(name, workload)
    status = engine.status({"id": workload})
    assert status.state in (State.STARTING, State.RESTARTING)
    assert words.lower() in status.reason.lower()


def test_what_was_stopped_is_gone_and_can_be_launched_again(
    api: Api, engine: NomadEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PLACED", 0.0)
    found = api.knows("stopped", "web-1")
    assert engine.status({"id": "web-1"}).state == State.GONE
    api.answers["PUT jobs"] = (200, {"EvalID": "e"})
    with pytest.raises(UserError, match="No node of the cluster took it"):
        engine.launch(worker("true", id="web-1"))
    (body,) = api.told("PUT jobs")
    assert (body["EnforceIndex"], body["JobModifyIndex"]) == (True, found["job"]["JobModifyIndex"])


def test_peers_are_declared_unsupported_and_refused(engine: NomadEngine) -> None:
    assert not engine.peers, "what skips the contract's tests of them"
    with pytest.raises(PlatformError) as refusal:
        engine.peer_host("pod-a", "db")
    assert refusal.value.code == "peers_unsupported"


def test_unknown_to_nomad_is_gone(engine: NomadEngine, api: Api) -> None:
    assert engine.status({"id": "nobody"}).state == State.GONE


def test_a_launch_that_lost_the_race_starts_nothing_and_has_the_same_handle(
    api: Api, engine: NomadEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else registers between the look and the registration: Nomad says so with status 500."""
    api.knows("running", "web-1")
    first = engine.launch(echo_server(id="web-1"))
    assert api.told("PUT jobs") == []
    there = api.answers.pop(f"GET job/{JOB}web-1")
    api.answers["GET allocations"] = (200, [])
    api.answers["PUT jobs"] = (500, recorded("exists")["text"])
    monkeypatch.setattr(client, "PLACED", 0.0)
    with pytest.raises(UserError) as refusal:
        engine.launch(worker("true", id="web-1"))
    assert refusal.value.code == "engine_no_room", "whoever was first has not had it placed"
    assert len(api.told("PUT jobs")) == 1
    api.answers[f"GET job/{JOB}web-1"] = there
    api.knows("running", "web-1")
    assert engine.launch(echo_server(id="web-1")) == first


def test_a_node_that_does_not_answer_is_unknown_and_a_replacement_counts(api: Api, engine: NomadEngine) -> None:
    found = api.knows("running", "web-1")
    (lost,) = found["allocations"]
    lost |= {"ClientStatus": "unknown"}
    status = engine.status({"id": "web-1"})
    assert status.state == State.UNKNOWN
    assert "test does not answer" in status.reason
    replacement = recorded("running")["allocations"][0]
    replacement |= {"ID": "other", "CreateIndex": lost["CreateIndex"] + 5}
    replacement["AllocatedResources"]["Shared"]["Ports"][0] |= {"HostIP": "10.0.0.7", "Value": 21000}
    for order in ([lost, replacement], [replacement, lost]):
        api.answers["GET allocations"] = (200, order)
        status = engine.status({"id": "web-1"})
        assert (status.state, status.address) == (State.RUNNING, "10.0.0.7:21000")


def test_workloads_are_those_of_this_platform(api: Api, engine: NomadEngine) -> None:
    found = api.knows("running", "web-1")
    api.answers["GET jobs"] = (200, [*recorded("jobs"), {"ID": f"{JOB}old", "JobModifyIndex": 1, "Stop": True}])
    stranger = recorded("running")["allocations"][0] | {"JobID": f"{JOB}old"}
    api.answers["GET allocations"] = (200, [*found["allocations"], stranger])
    assert {name: status.state for name, status in engine.workloads().items()} == {"web-1": State.RUNNING}
    (query,) = [query for what, query, _, _ in api.asked if what == "GET jobs"]
    assert query["prefix"] == [JOB]


def test_lines_come_from_the_files_with_numbers(api: Api, engine: NomadEngine) -> None:
    found = api.knows("running", "web-1")
    allocation = found["allocations"][0]["ID"]
    files = {"app.stdout.0": b"one\ntwo\nthr", "app.stderr.0": b"oops\n"}
    listed = [{"Name": name, "Size": len(data), "IsDir": False} for name, data in files.items()]
    api.answers[f"GET client/fs/ls/{allocation}"] = (200, listed)
    api.answers[f"GET client/fs/readat/{allocation}"] = (200, files)
    handle = {"id": "web-1"}
    assert [(line.seq, line.stream, line.text) for line in engine.logs(handle)] == [
        (1, "out", "one"), (2, "out", "two"), (3, "err", "oops"),
    ]  # fmt: skip
    files["app.stdout.0"] += b"ee\n"
    listed[0]["Size"] = len(files["app.stdout.0"])
    assert [(line.seq, line.text) for line in engine.logs(handle, after=3)] == [(4, "three")]
    assert [line.seq for line in engine.logs(handle)] == [1, 2, 3, 4]
    del api.answers[f"GET client/fs/readat/{allocation}"], api.answers[f"GET client/fs/ls/{allocation}"]
    assert engine.logs(handle) == [], "a node that has forgotten it has no lines, and is no error"


def _writing(api: Api, files: dict[str, bytes], *, name: str = "running", workload: str = "web-1") -> str:
    """Have the workload's allocation have written these; its id."""
    allocation = str(api.knows(name, workload)["allocations"][0]["ID"])
    listed = [{"Name": name, "Size": len(data), "IsDir": False} for name, data in files.items()]
    api.answers[f"GET client/fs/ls/{allocation}"] = (200, listed)
    api.answers[f"GET client/fs/readat/{allocation}"] = (200, files)
    return allocation


def test_an_answer_that_breaks_off_is_asked_for_again(
    api: Api, engine: NomadEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _writing(api, {"app.stdout.0": b"one\ntwo\nthree\n"})
    whole = api.part
    monkeypatch.setattr(api, "part", lambda query, files: whole(query, files)[:6])
    assert [line.text for line in engine.logs({"id": "web-1"})] == ["one", "two", "three"]


def test_a_node_that_breaks_off_ends_no_stream(api: Api, engine: NomadEngine) -> None:
    """Nomad says "EOF" with status 500, of one node: the others' lines go on, and that one's come later."""
    allocation = _writing(api, {"app.stdout.0": b""})
    api.answers["GET jobs"] = (200, [job for job in recorded("jobs") if job["ID"] == f"{JOB}web-1"])
    stream = engine.stream_logs()
    broken = {
        what: api.answers.pop(what) for what in (f"GET client/fs/ls/{allocation}", f"GET client/fs/readat/{allocation}")
    }
    for what in broken:
        api.answers[what] = (500, "EOF")
    asked = len(api.told(f"GET client/fs/ls/{allocation}"))
    until(lambda: len(api.told(f"GET client/fs/ls/{allocation}")) > asked + 2 * output.TRIES, "several looks")
    api.answers |= broken
    _writing(api, {"app.stdout.0": b"late\n"})
    assert [line.text for _, line in itertools.islice(stream, 1)] == ["late"]


def test_many_workloads_are_followed_by_few_threads(api: Api, engine: NomadEngine) -> None:
    others = set(threading.enumerate())
    api.answers["GET jobs"] = (200, [{"ID": f"{JOB}w{n}", "JobModifyIndex": 1} for n in range(200)])
    api.answers["GET allocations"] = (200, [])
    engine.stream_logs()
    ours = [thread for thread in threading.enumerate() if thread.name == "nomad-logs" and thread not in others]
    assert len(ours) == following.READERS + 1


def test_an_end_is_told_in_the_log(api: Api, engine: NomadEngine) -> None:
    api.knows("restarting", "crashing")
    (line,) = engine.logs({"id": "crashing"})
    assert line.stream == "engine"
    assert line.text.startswith("Exited with code 3; restarted 0 of 10 in this window, next try in 2")
    assert engine.logs({"id": "crashing"}) == [line], "once"


def test_a_stop_keeps_the_last_lines(api: Api, engine: NomadEngine) -> None:
    found = api.knows("running", "web-1")
    api.answers[f"DELETE job/{JOB}web-1"] = (200, {"EvalID": "e"})
    found["allocations"][0]["ClientStatus"] = "complete"
    engine.stop({"id": "web-1"}, 0)
    asked = [query["purge"] for what, query, _, _ in api.asked if what.startswith("DELETE")]
    assert [[value.lower() for value in values] for values in asked] == [["false"]], "nothing is purged"


def test_check_says_what_is_there_and_what_is_not(api: Api, engine: NomadEngine, tmp_path: Path) -> None:
    api.answers["GET nodes"] = (200, recorded("nodes"))
    has = engine.check()
    assert (has.hosts, has.sandbox) == (1, False)
    assert "Nomad 2.0.5" in has.version
    assert any("no sandbox" in note for note in has.notes)
    docker = engine_on(api.address, tmp_path, driver="docker").check()
    assert docker.hosts == 0
    assert any("driver docker: nothing can be placed" in note for note in docker.notes)


@pytest.fixture
def nobody(tmp_path: Path) -> NomadEngine:
    """An engine whose agent has gone."""
    api = Api()
    address = api.address
    api.close()
    return engine_on(address, tmp_path)


def test_nobody_there_is_unknown_never_stopped(nobody: NomadEngine) -> None:
    status = nobody.status({"id": "web-1"})
    assert status.state == State.UNKNOWN
    assert "does not answer" in status.reason
    calls: list[Any] = [
        nobody.check,
        nobody.workloads,
        nobody.stream_logs,
        lambda: nobody.launch(worker("true")),
        lambda: nobody.stop({"id": "web-1"}, 0),
        lambda: nobody.logs({"id": "web-1"}),
        lambda: nobody.exec({"id": "web-1"}, ("true",)),
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            call()


@pytest.mark.parametrize(
    "answer", [(500, "No cluster leader"), (503, ""), (502, "<html>"), (200, "<html>a proxy's page</html>")]
)
def test_no_leader_and_proxies_are_unknown(api: Api, engine: NomadEngine, answer: tuple[int, str]) -> None:
    api.answers[f"GET job/{JOB}web-1"] = answer
    api.answers["GET jobs"] = answer
    assert engine.status({"id": "web-1"}).state == State.UNKNOWN
    with pytest.raises(Unavailable):
        engine.workloads()
    with pytest.raises(Unavailable):
        engine.launch(worker("true", id="web-1"))
    assert not api.told("PUT jobs")


def test_a_token_that_may_not_says_what_to_give_it(api: Api, tmp_path: Path) -> None:
    engine = engine_on(api.address, tmp_path, token="t0ken", namespace="pods", region="eu")
    api.answers["GET jobs"] = (403, "Permission denied")
    with pytest.raises(PlatformError) as refusal:
        engine.workloads()
    assert refusal.value.code == "nomad_denied"
    assert "BRAINPOD_NOMAD_TOKEN" in refusal.value.hint
    ((_, query, headers, _),) = api.asked
    assert (query["namespace"], query["region"], headers["X-Nomad-Token"]) == (["pods"], ["eu"], "t0ken")
    assert "t0ken" not in repr(engine.cluster) + str(refusal.value) + repr(query)
    api.answers[f"GET job/{JOB}web-1"] = (403, "Permission denied")
    assert engine.status({"id": "web-1"}).state == State.UNKNOWN


def test_tls_trusts_the_ca_that_is_named(tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(certificate, key)
    api = Api(trust)
    try:
        api.answers["GET jobs"] = (200, [])
        assert engine_on(api.address, tmp_path, ca=str(certificate)).workloads() == {}
        with pytest.raises(Unavailable):
            engine_on(api.address, tmp_path).workloads()
    finally:
        api.close()


def _self_signed(place: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nomad")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = place / "ca.pem", place / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private
