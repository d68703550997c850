"""Tables, rows and users under names and with values that are hard to quote."""

from __future__ import annotations

import threading

import pytest

from apps import sql
from apps.core.errors import Conflict, Invalid, NotFound, UserError
from apps.sql.base import Filter, Server, Sort
from tests.sql.conftest import At

HOSTILE = "a\"b`c'd %s %% \\ ; DROP TABLE x -- é"
NUL = "nul\0"


def quoted(at: At, name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if at.postgres else "`" + name.replace("`", "``") + "`"


def test_hostile_names_and_values(at: At, apps: Server, reader: Server) -> None:
    table, column = quoted(at, HOSTILE), quoted(at, f"{HOSTILE}2")
    apps.query(at.database, f"CREATE TABLE {table} (id int PRIMARY KEY, {column} varchar(200))", read_only=False)
    assert [it.name for it in apps.tables(at.database)] == [HOSTILE]
    assert HOSTILE in apps.columns_by_table(at.database)
    apps.insert(at.database, HOSTILE, {"id": "1", f"{HOSTILE}2": HOSTILE})
    apps.insert(at.database, HOSTILE, {"id": "2", f"{HOSTILE}2": None})
    apps.update(at.database, HOSTILE, {"id": "2"}, {f"{HOSTILE}2": "100% _"})
    for operator, value, found in (("=", HOSTILE, "1"), ("contains", "% _", "2"), ("contains", "DROP TABLE", "1"),
                                   ("<>", HOSTILE, "2"), ("is not null", "", "1")):  # fmt: skip
        rows = reader.rows(at.database, HOSTILE, filters=[Filter(f"{HOSTILE}2", operator, value)])
        assert rows.rows[0][0] == found, operator
    assert reader.rows(at.database, HOSTILE, sort=Sort(f"{HOSTILE}2", True)).rows
    apps.delete(at.database, HOSTILE, {"id": "2"})
    with pytest.raises(Conflict, match="not there any more"):
        apps.delete(at.database, HOSTILE, {"id": "2"})
    with pytest.raises(NotFound):
        apps.rows(at.database, "x\" OR ''='")
    for name in (NUL, "x" * 300):
        with pytest.raises(UserError):
            apps.rows(name, HOSTILE)
        with pytest.raises(UserError):
            apps.structure(at.database, name)


def test_of_two_who_change_a_row_at_once_the_second_is_told(at: At, apps: Server) -> None:
    apps.query(at.database, "CREATE TABLE t (id int PRIMARY KEY, n int, word varchar(20))", read_only=False)
    apps.insert(at.database, "t", {"id": "1", "n": "0", "word": None})
    seen: dict[str, str | None] = {"id": "1", "n": "0", "word": None}
    start, said = threading.Barrier(3), []

    def change(to: int) -> None:
        with sql.open(at.apps) as mine:
            mine.structure(at.database, "t")
            start.wait(30)
            try:
                mine.update(at.database, "t", {"id": "1"}, {"n": str(to)}, expected=seen)
                said.append(f"done {to}")
            except Conflict as refused:
                said.append(f"{refused.code}: {refused}")

    threads = [threading.Thread(target=change, args=(to,)) for to in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    done = [one for one in said if one.startswith("done")]
    assert (len(said), len(done)) == (3, 1)
    assert all(one.startswith("row_changed: The row was changed meanwhile: n.") for one in said if one not in done)
    assert apps.row(at.database, "t", {"id": "1"}).rows == (("1", done[0].removeprefix("done "), None),)
    with pytest.raises(Conflict, match="meanwhile: n"):
        apps.delete(at.database, "t", {"id": "1"}, expected=seen)
    now = seen | {"n": done[0].removeprefix("done ")}
    with pytest.raises(Conflict, match="meanwhile: gone"):
        apps.update(at.database, "t", {"id": "1"}, {"n": "9"}, expected=now | {"gone": "1"})
    apps.update(at.database, "t", {"id": "1"}, {"word": ""}, expected=now)
    with pytest.raises(Conflict, match="meanwhile: word"):  # null and empty are two values
        apps.update(at.database, "t", {"id": "1"}, {"n": "9"}, expected=now)
    apps.delete(at.database, "t", {"id": "1"}, expected=now | {"word": ""})
    with pytest.raises(Conflict, match="not there any more"):
        apps.update(at.database, "t", {"id": "1"}, {"n": "9"}, expected=now)


def test_what_cannot_be_is_named(at: At, apps: Server) -> None:
    apps.query(at.database, "CREATE TABLE t (id int PRIMARY KEY, b int)", read_only=False)
    with pytest.raises(Invalid, match=r"values\.c"):
        apps.insert(at.database, "t", {"c": "1"})
    with pytest.raises(Invalid, match="limit"):
        apps.rows(at.database, "t", limit=5000)
    with pytest.raises(Invalid, match=r"filters\.0\.operator"):
        apps.rows(at.database, "t", filters=[Filter("b", "; DROP TABLE t", "1")])
    with pytest.raises(Invalid, match="sort"):
        apps.rows(at.database, "t", sort=Sort("b; DROP TABLE t"))
    with pytest.raises(Invalid, match="primary key"):
        apps.update(at.database, "t", {"b": "1"}, {"b": "2"})
    with pytest.raises(Invalid, match="NUL"):
        apps.insert(at.database, "t", {"id": NUL})
    with pytest.raises(UserError) as refused:
        apps.insert(at.database, "t", {"id": "no number"})
    assert refused.value.code == "sql_refused"


def test_pages_follow_keys_of_several_columns_and_bytes(at: At, apps: Server) -> None:
    kind = "bytea" if at.postgres else "binary(4)"
    apps.query(at.database, f"CREATE TABLE t (a int, b {kind}, PRIMARY KEY (a, b))", read_only=False)
    prefix = "\\x" if at.postgres else "0x"
    wanted = [(str(a), f"{prefix}{b:08x}" if at.postgres else f"{prefix}{b:08X}") for a in range(5) for b in range(7)]
    for a, b in wanted:
        apps.insert(at.database, "t", {"a": a, "b": b})
    for sort in (None,):
        seen: list[tuple[str | None, ...]] = []
        after: tuple[str, ...] = ()
        while True:
            page = apps.rows(at.database, "t", limit=4, after=after, sort=sort)
            seen += page.rows
            after = page.after
            if not page.more:
                break
            assert after
        assert seen == wanted
    assert apps.row(at.database, "t", dict(zip("ab", wanted[3], strict=True))).rows == (wanted[3],)


def test_a_gigantic_cell_of_a_table_is_cut_on_the_server(at: At, apps: Server) -> None:
    kind = "text" if at.postgres else "longtext"
    apps.query(at.database, f"CREATE TABLE t (id int PRIMARY KEY, big {kind})", read_only=False)
    apps.query(at.database, "INSERT INTO t VALUES (1, repeat('x', 9000000))", read_only=False)
    page = apps.rows(at.database, "t")
    assert page.rows == (("1", "x" * 4000),)
    assert page.cut == {(0, 1)}
    one = apps.row(at.database, "t", {"id": "1"})
    assert len(one.rows[0][1] or "") == 40_000
    assert one.cut == {(0, 1)}


def test_structure_says_what_is_there(at: At, apps: Server) -> None:
    for statement in (
        "CREATE TABLE parents (a int, b int, PRIMARY KEY (b, a))",
        "CREATE TABLE children (id int PRIMARY KEY, x int, y int, word varchar(9) DEFAULT 'w' NOT NULL, "
        "CONSTRAINT to_parent FOREIGN KEY (x, y) REFERENCES parents (b, a) ON DELETE CASCADE)",
        "CREATE UNIQUE INDEX by_word ON children (word, x)",
    ):
        apps.query(at.database, statement, read_only=False)
    found = apps.structure(at.database, "children")
    assert found.primary == ("id",)
    assert apps.structure(at.database, "parents").primary == ("b", "a")
    key = found.foreign_keys[0]
    assert (key.name, key.columns, key.table, key.references) == ("to_parent", ("x", "y"), "parents", ("b", "a"))
    assert key.on_delete == "cascade"
    index = next(it for it in found.indexes if it.name == "by_word")
    assert (index.columns, index.unique, index.primary) == (("word", "x"), True, False)
    word = next(it for it in found.columns if it.name == "word")
    assert not word.nullable
    assert "w" in (word.default or "")


def test_users_with_hostile_names(at: At, admin: Server, apps: Server) -> None:
    name, password = "u'\"`%s \\x", "pa'ss\"wo`rd %s \\ long"
    admin.create_user(name, password)
    try:
        apps.query(at.database, "CREATE TABLE t (id int)", read_only=False)
        admin.grant(name, at.database, ["SELECT", "insert"])
        assert {one for it in admin.grants(name) for one in it.privileges} >= {"SELECT", "INSERT"}
        with sql.open(at.admin.as_user(name, password).at(at.database)) as mine:
            assert mine.rows(at.database, "t").rows == ()
            mine.insert(at.database, "t", {"id": "1"})
            with pytest.raises(UserError):
                mine.query(at.database, "DELETE FROM t", read_only=False)
        apps.query(at.database, "CREATE TABLE later (id int)", read_only=False)
        with sql.open(at.admin.as_user(name, password).at(at.database)) as mine:
            assert mine.rows(at.database, "later").rows == ()
        admin.change_password(name, f"{password}2")
        with sql.open(at.admin.as_user(name, password).at(at.database)) as mine, pytest.raises(UserError):
            mine.ping()
        admin.revoke(name, at.database, ["ALL"])
        admin.revoke(name, at.database, ["ALL"])
        assert not [it for it in admin.grants(name) if it.privileges and it.privileges != ("CONNECT",)]
        with pytest.raises(Invalid, match="privileges"):
            admin.grant(name, at.database, ["SELECT; DROP"])
        with pytest.raises(Invalid, match="password"):
            admin.change_password(name, "short")
    finally:
        admin.delete_user(name)
    assert name not in {it.name for it in admin.users()}
    with pytest.raises(NotFound):
        admin.delete_user(name)
