"""Two users of a shared Valkey or Redis, from real connections: what each may do, and nothing of the other's."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.accounts.models import Team
from apps.core.errors import Conflict, Invalid, Unavailable, UserError
from apps.infrastructure import actions, credentials, key_users, sharing
from apps.infrastructure.models import Allotment, Service
from apps.pods.databases import shared_name
from apps.pods.models import Pod
from apps.secretstore.base import SecretStore
from apps.servers.valkey import VALKEY
from tests.dashboard.pages.conftest import make_pod
from tests.stack.databases import ADMIN, Running, running, versions

pytestmark = pytest.mark.django_db
LINES = (Path(__file__).parent / "hostile_commands.txt").read_text().splitlines()
HOSTILE = [line for line in LINES if line and not line.startswith("#")]
REFUSED = re.compile(
    "permission|ACL failure|not allowed from script|can't (access at least one|run this command|publish)|"
    "enable-(debug|module)-command|unknown command"
)
WITHOUT_KEYS = """
auth client|getname client|id client|info client|reply client|setname command command|count command|docs
command|getkeys command|getkeysandflags command|help command|info command|list discard echo exec hello multi
object|help ping punsubscribe quit reset script|exists script|load time unsubscribe unwatch xgroup|help xinfo|help
"""


def _ready(port: int) -> None:
    with redis.Redis(host="127.0.0.1", port=port, username="platform", password=ADMIN) as client:
        client.ping()


@pytest.fixture(scope="module", params=sorted(line for kind, line in versions() if kind == "Valkey"))
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running("Valkey", request.param, ready=_ready) as found:
        yield found


@pytest.fixture
def service(server: Running, openbao: SecretStore, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(credentials, "store", lambda: openbao)
    handle = {"tcp": f"127.0.0.1:{server.port}"}
    made = Service(name="keys", type="valkey", managed=True, shared=True, engine="process", user="platform")
    made.version, made.handle, made.run = "9", handle, "run"
    credentials.keep(made, ADMIN)
    made.save()
    return made


@dataclass(frozen=True)
class User:
    pod: Pod
    service: Service
    password: str

    @property
    def name(self) -> str:
        return shared_name(self.pod.pk, "cache")

    def connect(self, password: str = "") -> Any:
        host, _, port = self.service.handle["tcp"].partition(":")
        return redis.Redis(
            host=host, port=int(port), username=self.name, password=password or self.password, socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip

    def have(self, password: str, version: int) -> bool:
        return sharing.have(
            self.service, pod=self.pod, resource="cache", database=self.name, password=password, version=version
        )


def _user(team: Team, service: Service, password: str) -> User:
    found = User(make_pod(team), service, password)
    assert found.have(password, 1)
    return found


@pytest.fixture
def mine(team: Team, service: Service) -> User:
    return _user(team, service, "a-password-of-mine")


@pytest.fixture
def theirs(team: Team, service: Service) -> User:
    return _user(team, service, "a-password-of-theirs")


def fill(user: User) -> None:
    with user.connect() as client:
        client.mset({f"{user.name}:secret": "7351", f"{user.name}:key": "1"})
        client.rpush(f"{user.name}:list", 1, 2)
        client.sadd(f"{user.name}:set", "a")
        client.zadd(f"{user.name}:ranks", {"a": 1})
        client.hset(f"{user.name}:hash", "a", "b")
        client.xadd(f"{user.name}:stream", {"a": "b"}, id="1-1")


def content(user: User) -> dict[bytes, bytes]:
    with user.connect() as client:
        return {key: client.dump(f"{user.name}:{key}") for key in ("secret", "key", "list", "set", "ranks", "hash")}


def test_no_hostile_command_is_let_through(mine: User, theirs: User) -> None:
    for user in (mine, theirs):
        fill(user)
    before, through = content(theirs), []
    for line in HOSTILE:
        words = shlex.split(line.replace("theirs", theirs.name).replace("mine", mine.name))
        with mine.connect() as client:
            try:
                answer = client.execute_command(*words)
            except redis.ResponseError as error:
                if not REFUSED.search(str(error)):
                    through.append((line, str(error)))
                continue
            through.append((line, answer))
    assert not through, through
    assert content(theirs) == before


def test_nothing_that_names_no_key_is_allowed_but_what_is_known(mine: User) -> None:
    """Of every command the server has, the next version's too: `ACL DRYRUN` says what it would do."""
    host, _, port = mine.service.handle["tcp"].partition(":")
    with redis.Redis(host=host, port=int(port), username="platform", password=ADMIN) as client:
        client.response_callbacks.clear()
        allowed = set()
        for name, arity in _without_keys(client.execute_command("COMMAND")):
            words = name.split("|")
            words += ["1"] * (abs(arity) - len(words))
            if client.execute_command("ACL", "DRYRUN", mine.name, *words) == b"OK":
                allowed.add(name)
    assert allowed <= set(WITHOUT_KEYS.split())


def _without_keys(commands: list[Any]) -> Iterator[tuple[str, int]]:
    for name, arity, flags, first, *_, within in commands:
        if within:
            yield from _without_keys(within)
        elif first == 0 and b"movablekeys" not in {getattr(flag, "encode", lambda flag=flag: flag)() for flag in flags}:
            yield name.decode(), arity


def test_what_apps_do_with_their_own(mine: User, theirs: User) -> None:
    at = mine.name
    with mine.connect() as client:
        client.set(f"{at}:key", "value", ex=100)
        assert client.get(f"{at}:key") == b"value"
        with client.pipeline(transaction=True) as pipe:
            assert pipe.incr(f"{at}:count").rpush(f"{at}:queue", "job").execute() == [1, 1]
        with client.pipeline(transaction=True) as pipe, pytest.raises(redis.ResponseError):
            pipe.set(f"{at}:count", 2).get(f"{theirs.name}:secret").execute()
        assert client.get(f"{at}:count") == b"1", "nothing of a transaction that was refused"
        with client.lock(f"{at}:lock", timeout=5):
            pass
        script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
        assert script(keys=[f"{at}:count"], args=[5]) == 6
        client.xgroup_create(f"{at}:stream", "group", mkstream=True)
        client.xadd(f"{at}:stream", {"a": "b"})
        assert client.xreadgroup("group", "me", {f"{at}:stream": ">"})
        assert [key for key, _ in client.hscan_iter(f"{at}:none")] == []
        with client.pubsub() as heard:
            heard.psubscribe(f"{at}:*")
            heard.subscribe(f"{at}:news")
            assert client.publish(f"{at}:news", "hello") == 2
            deadline = time.monotonic() + 10
            while not (got := heard.get_message(ignore_subscribe_messages=True, timeout=1)):
                assert time.monotonic() < deadline
            assert got["data"] == b"hello"


def test_rotated_locked_found_again_and_dropped(mine: User, theirs: User) -> None:
    for user in (mine, theirs):
        fill(user)
    assert not mine.have(mine.password, 1), "as it was"
    assert mine.have("another-password", 2)
    with pytest.raises(redis.AuthenticationError):
        mine.connect().ping()
    client = mine.connect("another-password")
    assert client.get(f"{mine.name}:secret") == b"7351"

    row = Allotment.objects.get(pod=mine.pod)
    with pytest.raises(Conflict):
        sharing.drop(row, confirm=row.database, by=None)
    sharing.release(row)
    with pytest.raises((redis.ConnectionError, redis.ResponseError)):
        client.get(f"{mine.name}:secret")
    with pytest.raises(redis.AuthenticationError):
        mine.connect("another-password").ping()
    assert mine.have("a-third-password", 3), "a resource of the same name finds its keys"
    assert mine.connect("a-third-password").get(f"{mine.name}:secret") == b"7351"

    sharing.release(row)
    row.refresh_from_db()
    with pytest.raises(Invalid):
        sharing.drop(row, confirm="cache", by=None)
    sharing.drop(row, confirm=row.database, by=None)
    host, _, port = mine.service.handle["tcp"].partition(":")
    with redis.Redis(host=host, port=int(port), username="platform", password=ADMIN) as admin:
        assert [key for key in admin.scan_iter(count=1000) if key.startswith(mine.name.encode())] == []
        assert mine.name not in admin.acl_users()
    assert theirs.connect().get(f"{theirs.name}:secret") == b"7351"


def test_a_user_that_the_server_lost_is_made_again(mine: User) -> None:
    key_users.drop(mine.service, mine.name)
    assert mine.have(mine.password, 1)
    assert mine.connect().ping()


def test_what_cannot_be_shared_says_why(mine: User, monkeypatch: pytest.MonkeyPatch) -> None:
    service = mine.service
    service.version = "6"
    with pytest.raises(Invalid, match="version 7 or later"):
        actions.change(service, shared=True, by=None)
    with monkeypatch.context() as patch:
        patch.setattr(key_users, "OLDEST", 99)
        with pytest.raises(UserError) as error:
            mine.have(mine.password, 2)
    assert error.value.code == "shared_server_outdated"
    with _of_an_earlier_version() as port:
        service.handle = {"tcp": f"127.0.0.1:{port}"}
        with pytest.raises(UserError, match="restart it once"):
            key_users.have(service, mine.name, mine.password)
    with pytest.raises(Unavailable, match="does not answer"):
        key_users.have(service, mine.name, mine.password)


@contextmanager
def _of_an_earlier_version() -> Iterator[int]:
    """One whose users stand in its configuration."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    found = VALKEY.installed()
    where = ":".join(found[max(found)].path)
    program = shutil.which("valkey-server", path=where) or shutil.which("redis-server", path=where)
    assert program
    settings = f'port {port}\nbind 127.0.0.1\nsave ""\nuser platform on >{ADMIN} ~* &* +@all\n'
    child = subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert child.stdin
    with child.stdin as told:
        told.write(settings.encode())
    try:
        _until_ready(port)
        yield port
    finally:
        child.kill()
        child.wait()


def _until_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return _ready(port)
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
