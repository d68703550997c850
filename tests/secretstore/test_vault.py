"""The secret store on a real OpenBao: versions, tokens that reach one pod, and its silence."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from apps.core.errors import PlatformError, Unavailable
from apps.core.ids import new_id
from apps.core.ports import free_port
from apps.infrastructure.embedded import openbao as embedded
from apps.secretstore.vault import Vault
from tests.stack.components import running, running_openbao, vault_of, wait_for


def test_every_version_stays_readable(openbao: Vault) -> None:
    path = f"pods/{new_id()}/db"
    values = {"PASSWORD": 'é\n"quoted" ${not.a.reference} \u0001 ', "EMPTY": ""}
    assert openbao.write(path, values) == 1
    for number in range(2, 30):
        assert openbao.write(path, {"PASSWORD": str(number)}) == number
    assert openbao.read(path, 1) == values
    assert openbao.read(path, 15) == {"PASSWORD": "15"}


def test_a_missing_version_is_named(openbao: Vault) -> None:
    path = f"pods/{new_id()}/db"
    openbao.write(path, {"A": "1"})
    for absent, version in ((path, 2), (f"pods/{new_id()}/db", 1)):
        with pytest.raises(PlatformError, match=absent) as raised:
            openbao.read(absent, version)
        assert raised.value.code == "secret_missing"


def test_delete_forgets_every_version_and_may_be_repeated(openbao: Vault) -> None:
    pod = new_id()
    openbao.write(f"pods/{pod}/a", {"A": "1"})
    openbao.write(f"pods/{pod}/a", {"A": "2"})
    openbao.write(f"pods/{pod}/b", {"B": "1"})
    for _ in range(2):
        openbao.delete(f"pods/{pod}/a")
    for version in (1, 2):
        with pytest.raises(PlatformError, match="not in the secret store"):
            openbao.read(f"pods/{pod}/a", version)
    assert openbao.read(f"pods/{pod}/b", 1) == {"B": "1"}
    openbao.delete(f"pods/{pod}/b")
    assert openbao.write(f"pods/{pod}/b", {"B": "new"}) == 1


def test_one_version_is_forgotten_and_no_other(openbao: Vault) -> None:
    path = f"pods/{new_id()}/a"
    for value in ("1", "2"):
        openbao.write(path, {"A": value})
    for _ in range(2):
        openbao.destroy(path, 1)
    with pytest.raises(PlatformError, match="not in the secret store"):
        openbao.read(path, 1)
    assert openbao.read(path, 2) == {"A": "2"}
    assert openbao.write(path, {"A": "3"}) == 3
    openbao.destroy(f"pods/{new_id()}/never", 1)


def test_what_is_a_teams_is_read_by_the_platform_alone(openbao: Vault) -> None:
    pod, path = new_id(), f"teams/7/connections/{new_id()}/{new_id()}"
    openbao.write(f"pods/{pod}/db", {"A": "mine"})
    assert openbao.write(path, {"secret": "theirs"}) == 1
    assert openbao.read(path, 1) == {"secret": "theirs"}
    with pytest.raises(PlatformError) as raised:
        openbao.read(path, 1, token=openbao.token_for(pod))
    assert raised.value.code == "secret_denied"
    openbao.delete(path)
    with pytest.raises(PlatformError) as raised:
        openbao.read(path, 1)
    assert raised.value.code == "secret_missing"
    assert openbao.read(f"pods/{pod}/db", 1) == {"A": "mine"}


def test_a_token_reads_its_pod_and_nothing_else(openbao: Vault) -> None:
    mine, others = new_id(), new_id()
    openbao.write(f"pods/{mine}/db", {"A": "mine"})
    openbao.write(f"pods/{others}/db", {"A": "theirs"})
    token = openbao.token_for(mine)
    assert openbao.read(f"pods/{mine}/db", 1, token=token) == {"A": "mine"}
    with pytest.raises(PlatformError) as raised:
        openbao.read(f"pods/{others}/db", 1, token=token)
    assert raised.value.code == "secret_denied"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "brainpod/data/pods/{mine}/db", {"data": {"A": "changed"}}),
        ("DELETE", "brainpod/metadata/pods/{mine}/db", None),
        ("GET", "brainpod/metadata/pods?list=true", None),
        ("GET", "brainpod/data/pods/{mine}x/db", None),
        ("POST", "auth/token/create", {}),
        ("POST", "auth/token/create/brainpod-pod", {"policies": ["brainpod-pod-other"]}),
        ("POST", "auth/token/renew-self", {}),
        ("PUT", "sys/policies/acl/brainpod-pod-{mine}", {"policy": 'path "*" { capabilities = ["read"] }'}),
    ],
)
def test_a_token_changes_and_renews_nothing(
    openbao: Vault, state: Path, method: str, path: str, body: dict[str, object] | None
) -> None:
    mine = new_id()
    openbao.write(f"pods/{mine}/db", {"A": "mine"})
    openbao.write(f"pods/{mine}x/db", {"A": "somebody else's"})
    answer = _raw(state, openbao.token_for(mine), method, path.format(mine=mine), body)
    assert answer.status_code == 403, answer.text
    assert openbao.read(f"pods/{mine}/db", 1) == {"A": "mine"}


def test_the_platform_itself_is_no_root(openbao: Vault, state: Path) -> None:
    way = embedded.access(state)
    login = httpx.post(
        f"{way.address}/v1/auth/approle/login",
        json={"role_id": way.role_id, "secret_id": way.secret_id}, trust_env=False,
    )  # fmt: skip
    token = login.json()["auth"]["client_token"]
    assert login.json()["auth"]["policies"] == ["brainpod"]
    for method, path in (("GET", "sys/mounts"), ("PUT", "sys/policies/acl/root2"), ("POST", "auth/token/create")):
        assert _raw(state, token, method, path, {}).status_code in (403, 405), path


@pytest.mark.parametrize(("asked", "lives"), [(600, 600), (86400, 600), (60, 60)])
def test_a_token_lives_ten_minutes_at_most(openbao: Vault, state: Path, asked: int, lives: int) -> None:
    token = openbao.token_for(new_id(), ttl=asked)
    found = _raw(state, token, "GET", "auth/token/lookup-self", None).json()["data"]
    assert lives - 60 < found["ttl"] <= lives
    assert found["explicit_max_ttl"] <= 600
    assert found["renewable"] is False
    assert found["orphan"] is True


def test_an_expired_token_is_denied(openbao: Vault) -> None:
    pod = new_id()
    openbao.write(f"pods/{pod}/db", {"A": "1"})
    token = openbao.token_for(pod, ttl=1)

    def denied() -> bool:
        try:
            openbao.read(f"pods/{pod}/db", 1, token=token)
        except PlatformError as error:
            return error.code == "secret_denied"
        return False

    wait_for(denied, 30, "the token to expire")


def test_a_revoked_token_is_worthless(openbao: Vault) -> None:
    pod = new_id()
    openbao.write(f"pods/{pod}/db", {"A": "1"})
    token = openbao.token_for(pod)
    for _ in range(2):
        openbao.revoke(token)
    with pytest.raises(PlatformError) as raised:
        openbao.read(f"pods/{pod}/db", 1, token=token)
    assert raised.value.code == "secret_denied"


def test_signs_in_again_when_its_own_token_is_gone(openbao: Vault, state: Path) -> None:
    vault = vault_of(state)
    path = f"pods/{new_id()}/db"
    vault.write(path, {"A": "1"})
    vault._own.token = "s.expired0000000000000000"
    assert vault.write(path, {"A": "2"}) == 2


@pytest.mark.parametrize(
    "path",
    [
        "",
        "pods",
        "pods/x",
        "pods/x/",
        "pods/../y/z",
        "pods/x/*",
        "pods/+/db",
        "sys/x/y",
        "pods/x/a b",
        "teams/1",
        "teams/../x/y",
    ],
)
def test_other_paths_are_a_mistake_in_the_program(openbao: Vault, path: str) -> None:
    for call in (lambda: openbao.write(path, {}), lambda: openbao.read(path, 1), lambda: openbao.delete(path)):
        with pytest.raises(ValueError, match="not a path"):
            call()


def test_a_pod_named_by_a_pattern_gets_no_token(openbao: Vault) -> None:
    for pod in ("*", "+", "a/b", "", "../x"):
        with pytest.raises(ValueError, match="not a path"):
            openbao.token_for(pod)


def test_an_unreachable_store_is_unavailable() -> None:
    vault = Vault(f"http://127.0.0.1:{free_port()}", "role", "secret", timeout=2)
    for call in (
        vault.check, lambda: vault.write("pods/x/a", {}), lambda: vault.read("pods/x/a", 1),
        lambda: vault.read("pods/x/a", 1, token="t"), lambda: vault.delete("pods/x/a"), lambda: vault.token_for("x"),
    ):  # fmt: skip
        with pytest.raises(Unavailable) as raised:
            call()
        assert raised.value.code == "secretstore_unavailable"


def test_a_wrong_identity_is_said(openbao: Vault, state: Path) -> None:
    vault = Vault(embedded.access(state).address, "role", "secret")
    with pytest.raises(Unavailable, match="does not know the platform") as raised:
        vault.read("pods/x/a", 1)
    assert raised.value.code == "secretstore_refused"


def test_survives_a_restart_and_its_silence_in_between(short_state: Path) -> None:
    with running_openbao(short_state) as vault:
        assert vault.write("pods/p/db", {"A": "1"}) == 1
        address = embedded.access(short_state).address
    with pytest.raises(Unavailable):
        vault.read("pods/p/db", 1)
    with running_openbao(short_state):
        assert embedded.access(short_state).address == address
        assert vault.read("pods/p/db", 1) == {"A": "1"}
        assert vault.check()


def test_a_sealed_store_is_unavailable(short_state: Path) -> None:
    """Without its first configuration the store stays sealed: it answers, and says so."""
    embedded.prepare(short_state)
    config = short_state / "bao" / "bao.hcl"
    config.write_text(config.read_text().partition("initialize ")[0])
    vault = vault_of(short_state)

    def answers() -> bool:
        try:
            return httpx.get(f"{embedded.access(short_state).address}/v1/sys/health", trust_env=False).status_code > 0
        except httpx.TransportError:
            return False

    with running(embedded.command(short_state), short_state / "log" / "openbao.log", answers):
        for call in (vault.check, lambda: vault.write("pods/x/a", {}), lambda: vault.read("pods/x/a", 1, token="t")):
            with pytest.raises(Unavailable) as raised:
                call()
            assert raised.value.code == "secretstore_unavailable"


def test_what_it_keeps_is_for_the_platform_alone(openbao: Vault, state: Path) -> None:
    home = state / "bao"
    assert (home / "seal.key").stat().st_mode & 0o777 == 0o400
    assert home.stat().st_mode & 0o777 == 0o700
    for name in ("role_id", "secret_id", "bao.hcl"):
        assert (home / name).stat().st_mode & 0o777 == 0o600
    assert (home / "secret_id").read_text() not in (home / "bao.hcl").read_text()


def test_values_are_nowhere_on_disk(openbao: Vault, state: Path) -> None:
    value = f"needle-{new_id()}-{time.time_ns()}"
    openbao.write(f"pods/{new_id()}/db", {"A": value})
    for file in state.rglob("*"):
        if file.is_file():
            assert value.encode() not in file.read_bytes(), file


def _raw(state: Path, token: str, method: str, path: str, body: dict[str, object] | None) -> httpx.Response:
    address = embedded.access(state).address
    headers = {"X-Vault-Token": token}
    return httpx.request(method, f"{address}/v1/{path}", headers=headers, json=body, trust_env=False)
