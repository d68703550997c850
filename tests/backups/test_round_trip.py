"""Backups of real servers, from the button to the restored rows."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from pyrage import x25519

from apps import sql
from apps.accounts.models import User
from apps.backups import actions, keys, places, remote, restoring, run, sealing, tend
from apps.backups.kinds import KINDS, mariadb
from apps.backups.models import Backup
from apps.core.errors import Conflict, Invalid, NotFound
from apps.deployments.models import AppEvent
from apps.pods.models import Pod
from tests.backups.conftest import CREDENTIALS, Running, every, made, restored

pytestmark = pytest.mark.django_db(transaction=True)
BOTH = pytest.mark.parametrize("server", every("PostgresDB", "MariaDB"), indirect=True)
FILL = {
    "PostgresDB": (
        "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, photo bytea)",
        "CREATE TABLE \"odd \"\"name; --\" (n int REFERENCES people(id))",
        "INSERT INTO people SELECT n, 'Größe '||n, decode(md5(n::text), 'hex') FROM generate_series(1, 5000) n",
        "INSERT INTO \"odd \"\"name; --\" SELECT n FROM generate_series(1, 100) n",
        "CREATE VIEW known AS SELECT count(*) AS n FROM people",
        "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'",
        "CREATE SEQUENCE counting START 77",
    ),
    "MariaDB": (
        "CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, photo blob)",
        "CREATE TABLE `odd ``name; --` (n int, FOREIGN KEY (n) REFERENCES people(id))",
        "INSERT INTO people SELECT seq, concat('Größe ', seq), unhex(md5(seq)) FROM seq_1_to_5000",
        "INSERT INTO `odd ``name; --` SELECT seq FROM seq_1_to_100",
        "CREATE VIEW known AS SELECT count(*) AS n FROM people",
        "CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2",
        "CREATE TRIGGER louder BEFORE INSERT ON people FOR EACH ROW SET NEW.name = upper(NEW.name)",
    ),
}  # fmt: skip
CONTENT = {
    "PostgresDB": "SELECT md5(string_agg(id || name || encode(photo, 'hex'), ',' ORDER BY id)) FROM people",
    "MariaDB": "SELECT md5(group_concat(md5(concat(id, name, hex(photo))) ORDER BY id)) FROM people WHERE id <= 9000",
}


@BOTH
def test_what_was_deleted_is_there_again(server: Running, pod: Pod, alice: User) -> None:
    server.ask(*FILL[server.kind])
    before = server.ask(CONTENT[server.kind])
    backup = made(pod, alice)
    assert (backup.path.stat().st_mode & 0o777, backup.path.stat().st_size) == (0o600, backup.size)
    assert backup.path.name.startswith("db_")
    assert hashlib.sha256(backup.path.read_bytes()).hexdigest() == backup.digest
    assert sorted(pair for pair in backup.manifest["rows"].values()) == [[100, 100], [5000, 5000]]
    assert {path.name for path in backup.path.parent.iterdir()} == {backup.file, f"{backup.file}.json"}
    assert "Größe".encode() not in backup.path.read_bytes()

    there = server.databases()
    server.ask("DELETE FROM people WHERE id > 4000", "CREATE TABLE later (n int)", "DROP VIEW known")
    row = restored(backup, alice)
    assert (row.state, row.error, row.cleaned) == ("completed", "", True)
    assert server.ask(CONTENT[server.kind]) == before
    assert server.databases() == there
    assert [tuple(line) for line in server.ask("SELECT n FROM known")] == [(5000,)]
    assert [tuple(line) for line in server.ask("SELECT twice(21)")] == [(42,)]
    with pytest.raises(Exception, match="later"):
        server.ask("SELECT * FROM later")
    if server.kind == "MariaDB":
        server.ask("INSERT INTO people VALUES (9001, 'quiet', '')")
        assert server.ask("SELECT name FROM people WHERE id = 9001") == (("QUIET",),)
        with pytest.raises(Exception, match="foreign key"):
            server.ask("INSERT INTO `odd ``name; --` VALUES (99999)")
    else:
        assert server.ask("SELECT nextval('counting')") == [(77,)]
    words = list(AppEvent.objects.filter(pod=pod, app="db").values_list("words", flat=True))
    assert any("was restored" in said for said in words)


@BOTH
def test_a_drill_proves_it_and_leaves_nothing(server: Running, pod: Pod, alice: User) -> None:
    server.ask(*FILL[server.kind])
    backup = made(pod, alice)
    there = server.databases()
    server.ask("DELETE FROM people WHERE id > 4990")
    row = actions.drill(backup=backup, by=None)
    restoring.run(row.pk)
    row.refresh_from_db()
    backup.refresh_from_db()
    assert (row.state, row.error) == ("completed", "")
    assert backup.proven_at is not None
    assert row.rows == backup.manifest["rows"]
    assert server.databases() == there
    assert [tuple(line) for line in server.ask("SELECT count(*) FROM people")] == [(4990,)], "the data is as it was"


@BOTH
def test_others_users_are_in_the_way_of_no_restore_and_keep_what_they_may(
    server: Running, pod: Pod, alice: User
) -> None:
    """On PostgreSQL a dump speaks of everybody's privileges, and of those that are for what is made later."""
    server.ask(*FILL[server.kind])
    admin = {"PostgresDB": "postgres", "MariaDB": "platform"}[server.kind]
    type = {"PostgresDB": "postgresql", "MariaDB": "mariadb"}[server.kind]
    where = sql.Where(type, server.host, server.port, admin, CREDENTIALS.admin_password)

    def seen() -> int:
        with sql.open_reader(where, sql.reader_of(where), "brainpod") as found:
            return int(str(found.query("brainpod", "SELECT count(*) FROM people", read_only=True).rows[0][0]))

    assert seen() == 5000
    with sql.open(where) as managed:
        managed.create_user("analyst", "a-long-password")
        managed.grant("analyst", "brainpod", ["SELECT", "INSERT"])
    backup = made(pod, alice)
    server.ask("DELETE FROM people WHERE id > 4000")
    drill = actions.drill(backup=backup, by=None)
    restoring.run(drill.pk)
    drill.refresh_from_db()
    assert (drill.state, drill.error) == ("completed", "")
    row = restored(backup, alice)
    assert (row.state, row.error) == ("completed", "")
    assert seen() == 5000
    server.ask("CREATE TABLE afterwards (n int)")
    with server.connect("analyst", "a-long-password") as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO afterwards VALUES (7)")
        cursor.execute("SELECT n FROM afterwards")
        assert cursor.fetchone() == (7,)
        with pytest.raises(Exception, match="denied"):
            cursor.execute("DELETE FROM afterwards")
    with sql.open(where) as managed:
        managed.delete_user("analyst")


@pytest.mark.parametrize("server", every("PostgresDB"), indirect=True)
def test_what_policies_hide_from_its_owner_is_in_the_way_of_no_restore(server: Running, pod: Pod, alice: User) -> None:
    server.ask(
        "CREATE TABLE notes (n int)",
        "INSERT INTO notes VALUES (1), (2)",
        "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM notes",
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE notes FORCE ROW LEVEL SECURITY",
        "CREATE POLICY first ON notes FOR SELECT USING (n = 1)",
    )
    row = restored(made(pod, alice), alice)
    assert (row.state, row.error) == ("completed", "")
    assert server.ask("SELECT n FROM notes") == [(1,)]
    assert server.ask("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY", "SELECT n FROM notes ORDER BY n") == [(1,), (2,)]


@pytest.mark.parametrize("server", every("MariaDB"), indirect=True)
def test_sequences_and_tables_that_remember_are_tables_too(server: Running, pod: Pod, alice: User) -> None:
    server.ask(
        "CREATE SEQUENCE counting START 77",
        "CREATE TABLE remembered (n int) WITH SYSTEM VERSIONING",
        "INSERT INTO remembered VALUES (1)",
        "UPDATE remembered SET n = 2",
    )
    backup = made(pod, alice)
    assert set(backup.manifest["rows"]) == {"counting", "remembered"}
    server.ask("DELETE FROM remembered", "DROP SEQUENCE counting")
    row = restored(backup, alice)
    assert (row.state, row.error) == ("completed", "")
    assert server.ask("SELECT n FROM remembered") == ((2,),)
    assert server.ask("SELECT n FROM remembered FOR SYSTEM_TIME ALL ORDER BY n") == ((1,), (2,))
    assert server.ask("SELECT nextval(counting)") == ((77,),)
    there = server.databases()
    row = restored(backup, alice)  # over what is there
    assert (row.state, row.error) == ("completed", "")
    assert server.databases() == there
    assert server.ask("SELECT nextval(counting)") == ((77,),)


@pytest.mark.parametrize("server", every("MariaDB"), indirect=True)
@pytest.mark.parametrize("point", ["noted", "apart", "renamed", "whole"])
def test_an_exchange_whose_worker_dies_is_undone(
    server: Running, pod: Pod, alice: User, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views, triggers and routines too, which are nowhere else meanwhile."""
    server.ask(*FILL["MariaDB"], "CREATE SEQUENCE counting START 5")
    backup = made(pod, alice)
    server.ask("DELETE FROM people WHERE id > 4990", "CREATE VIEW mine AS SELECT count(*) AS n FROM people")
    at, kind = places.at(pod, "db"), KINDS["MariaDB"]
    there = server.databases()

    def died(name: str, _: str) -> None:
        if name == f"exchange.{point}":
            raise Died

    with monkeypatch.context() as patched:
        patched.setattr(mariadb, "failpoint", died)
        with remote.opened(backup) as file, sealing.opened(file, keys.identities()) as plain:
            loaded = kind.load(at, plain, "scratch", lambda _: None)
        with pytest.raises(Died):
            kind.swap(at, "scratch", loaded)
    with monkeypatch.context() as patched:  # and who comes after dies as well
        patched.setattr(mariadb, "_forget", _dies)
        with pytest.raises(Died):
            kind.drop(at, "scratch")
    kind.drop(at, "scratch")
    assert server.databases() == there
    assert server.ask("SELECT n FROM mine") == ((4990,),)
    assert server.ask("SELECT twice(21)") == ((42,),)
    server.ask("INSERT INTO people VALUES (9001, 'quiet', '')")
    assert server.ask("SELECT name FROM people WHERE id = 9001") == (("QUIET",),)
    assert server.ask("SELECT nextval(counting)") == ((5,),)


class Died(BaseException):
    """What no handler of errors sees, as none sees a kill."""


def _dies(*_: object) -> None:
    raise Died


@BOTH
def test_a_restore_that_fails_leaves_the_data(server: Running, pod: Pod, alice: User) -> None:
    server.ask(*FILL[server.kind])
    backup = made(pod, alice)
    there, before = server.databases(), server.ask(CONTENT[server.kind])
    Backup.objects.filter(pk=backup.pk).update(manifest={**backup.manifest, "rows": {"gone": [5, 5]}})
    row = restored(backup, alice)
    assert row.state == "failed"
    assert "gone is missing" in row.error

    damaged = bytearray(backup.path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    backup.path.write_bytes(damaged)
    row = restored(backup, alice)
    assert "not what was written" in row.error
    digest = hashlib.sha256(damaged).hexdigest()  # and if the digest were forged too
    Backup.objects.filter(pk=backup.pk).update(digest=digest)
    row = restored(Backup.objects.get(pk=backup.pk), alice)
    assert row.state == "failed"
    assert (server.databases(), server.ask(CONTENT[server.kind])) == (there, before)
    assert "admin" not in row.error.split()


def test_it_is_opened_without_the_platform(server: Running, pod: Pod, alice: User, tmp_path: Path) -> None:
    """As docs/backups.md says; the `age` program where it is installed does the first step."""
    server.ask(*FILL["PostgresDB"])
    backup = made(pod, alice)
    identity = keys.identities()[0]
    assert isinstance(identity, x25519.Identity)
    with backup.path.open("rb") as file, sealing.opened(file, [identity]) as plain:
        text = b"".join(iter(lambda: plain.read(1 << 20), b""))
    assert len(text) == backup.raw_size
    (tmp_path / "db.dump").write_bytes(text)
    listed = subprocess.run(["pg_restore", "--list", tmp_path / "db.dump"], capture_output=True, check=False)
    assert listed.returncode == 0 or b"unsupported version" in listed.stderr
    with backup.path.open("rb") as file, sealing.opened(file, [x25519.Identity.generate()]) as plain:
        with pytest.raises(Exception, match="not what was written"):
            plain.read(10)


def test_what_cannot_be_asked_for(server: Running, pod: Pod, alice: User) -> None:
    with pytest.raises(NotFound):
        actions.back_up(pod=pod, name="data", by=alice)
    waiting = actions.back_up(pod=pod, name="db", by=alice)
    with pytest.raises(Conflict, match="being made"):
        actions.back_up(pod=pod, name="db", by=alice)
    with pytest.raises(Conflict, match="completed"):
        actions.restore(backup=waiting, target="db", confirmation="db", by=alice)
    run.run(waiting.pk)
    waiting.refresh_from_db()
    with pytest.raises(Invalid, match="confirmation"):
        actions.restore(backup=waiting, target="db", confirmation="yes", by=alice)
    with pytest.raises(NotFound):
        actions.restore(backup=waiting, target="other", confirmation="other", by=alice)


def test_a_server_that_does_not_answer_is_told_without_its_password(server: Running, pod: Pod, alice: User) -> None:
    pod.workloads.update(handle={**server.handle, "tcp": "127.0.0.1:1"})
    backup = actions.back_up(pod=pod, name="db", by=alice)
    run.run(backup.pk)
    backup.refresh_from_db()
    assert backup.state == "failed"
    assert "PostgreSQL" in backup.error
    assert "admin" not in backup.error
    assert AppEvent.objects.filter(pod=pod, level="error", words__startswith="A backup failed").exists()
    pod.workloads.update(serving=False)
    backup = actions.back_up(pod=pod, name="db", by=alice)
    tend.tend()
    run.run(backup.pk)
    backup.refresh_from_db()
    assert "Start it" in backup.error
