"""What people do with a database: every change and every statement goes through here, and into the book."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from apps.accounts.models import User
from apps.audit import trail
from apps.core.errors import Conflict, Detail, Invalid, UserError
from apps.databases.book import noted, recorded, room
from apps.databases.models import Entry, SavedStatement
from apps.databases.targets import Target
from apps.sql.base import Caps, Cell, Result, Server

LONGEST = 100_000  # characters of a statement
EXPORT = Caps(seconds=120, rows=1_000_000, size=256 << 20, cell=1 << 20)


def run(
    *, target: Target, by: User, write: bool, database: str, text: str, explain: bool = False, id: str = ""
) -> Result:
    """One statement; as the reader and in a read-only transaction unless `write`. Raises UserErrors."""
    check(text)
    room(by)
    kind = "explain" if explain else "query"
    with (
        recorded(target=target, by=by, kind=kind, database=database, words=text, read_only=not write, id=id) as entry,
        target.open(database, write=write) as server,
    ):
        if explain:
            return server.explain(database, text)
        found = server.query(database, text, read_only=not write, started=lambda token: _begun(entry, token))
        entry.rows = found.affected if found.affected is not None else len(found.rows)
        return found


def export(*, target: Target, by: User, database: str, text: str) -> Iterator[tuple[str, ...] | tuple[Cell, ...]]:
    """The names of the columns, then the rows, read as the reader whoever it is; up to EXPORT."""
    check(text)
    room(by)
    with (
        recorded(target=target, by=by, kind="export", database=database, words=text, read_only=True) as entry,
        target.open(database, write=False) as server,
        server.stream(database, text, caps=EXPORT, started=lambda token: _begun(entry, token)) as stream,
    ):
        yield stream.columns
        entry.rows = 0
        for row in stream.rows:
            entry.rows += 1
            yield row


def check(text: str) -> None:
    if not text.strip():
        raise Invalid([Detail("text", "A statement is needed, such as SELECT 1.")])
    if len(text) > LONGEST:
        raise Invalid([Detail("text", f"A statement has at most {LONGEST:,} characters.")])


def _begun(entry: Entry, token: str) -> None:
    entry.token = token
    entry.save(update_fields=("token",))


def cancel(*, target: Target, by: User, id: str) -> bool:
    """One's own statement; False where it runs no more."""
    entry = Entry.objects.filter(pk=id, user=by, state=Entry.RUNNING, pod=target.pod, server=target.name).first()
    if entry is None or not entry.token:
        return False
    with target.open(entry.database, write=not entry.read_only) as server:
        return server.cancel(entry.token, entry.database)


def insert_row(
    *, target: Target, by: User, database: str, schema: str, table: str, values: Mapping[str, str | None]
) -> None:
    words = f"a row into {table}: {', '.join(values) or 'defaults'}"
    with recorded(target=target, by=by, kind="insert", database=database, words=words) as entry:
        with target.open(database, write=True) as server:
            server.insert(database, table, values, schema=schema)
        entry.rows = 1


def update_row(
    *, target: Target, by: User, database: str, schema: str, table: str,
    key: Mapping[str, str], values: Mapping[str, str | None], expected: Mapping[str, str | None],
) -> None:  # fmt: skip
    """`expected`: what who changes it has seen of it; raises Conflict("row_changed") where it is other by now."""
    words = f"a row of {table}: {', '.join(values)}"
    with recorded(target=target, by=by, kind="update", database=database, words=words) as entry:
        with target.open(database, write=True) as server:
            server.update(database, table, key, values, schema=schema, expected=expected)
        entry.rows = 1


def delete_row(
    *, target: Target, by: User, database: str, schema: str, table: str,
    key: Mapping[str, str], expected: Mapping[str, str | None],
) -> None:  # fmt: skip
    with recorded(target=target, by=by, kind="delete", database=database, words=f"a row of {table}") as entry:
        with target.open(database, write=True) as server:
            server.delete(database, table, key, schema=schema, expected=expected)
        entry.rows = 1


def create_database(*, target: Target, by: User, name: str) -> None:
    """The apps' user may do everything in it; whoever makes it, where that is the same."""
    owner = "" if target.apps == target.admin else target.apps.username
    with recorded(target=target, by=by, kind="create database", database=name, words=name), target.open_admin() as it:
        it.create_database(name, owner=owner)


def delete_database(*, target: Target, by: User, name: str) -> None:
    with recorded(target=target, by=by, kind="delete database", database=name, words=name):
        with _unless_protected(target, name) as server:
            server.delete_database(name)


def create_user(*, target: Target, by: User, name: str, password: str = "") -> str:
    """The password, which is kept nowhere: `password`, or a new one."""
    made = password or secrets.token_urlsafe(24)
    with recorded(target=target, by=by, kind="create user", words=name), target.open_admin() as server:
        server.create_user(name, made)
    return made


def change_password(*, target: Target, by: User, name: str) -> str:
    """A new one, which is kept nowhere."""
    made = secrets.token_urlsafe(24)
    with recorded(target=target, by=by, kind="change password", words=name), _unless_protected(target, name) as server:
        server.change_password(name, made)
    return made


def delete_user(*, target: Target, by: User, name: str) -> None:
    with recorded(target=target, by=by, kind="delete user", words=name), _unless_protected(target, name) as server:
        server.delete_user(name)


def change_privileges(
    *, target: Target, by: User, name: str, database: str, privileges: Sequence[str], granted: bool
) -> None:
    kind, words = ("grant" if granted else "revoke"), f"{', '.join(privileges)}: {name}"
    with (
        recorded(target=target, by=by, kind=kind, database=database, words=words),
        _unless_protected(target, name) as server,
    ):
        change = server.grant if granted else server.revoke
        change(name, database, privileges)


def save_statement(*, target: Target, by: User, name: str, text: str) -> SavedStatement:
    check(text)
    name = " ".join(name.split())
    if not 1 <= len(name) <= 80:
        raise Invalid([Detail("name", "A name has 1 to 80 characters.")])
    try:
        with transaction.atomic():
            trail.note("database.save", by=by, called=name, **noted(target))
            return SavedStatement.objects.create(
                pod=target.pod, service=target.service, server=target.name, name=name, text=text.replace("\0", ""),
                created_by=by,
            )  # fmt: skip
    except IntegrityError:
        raise Conflict("name_taken", f"There is a saved statement {name}.", "Choose another name.") from None


def saved_statements(target: Target) -> QuerySet[SavedStatement]:
    """Those that are kept for this server."""
    return SavedStatement.objects.filter(pod=target.pod, service=target.service, server=target.name)


def _unless_protected(target: Target, name: str) -> AbstractContextManager[Server]:
    """Called where it is written down: who tried is in the book too."""
    if name in target.protected:
        raise UserError("protected", f"{name} is the platform's own or the apps'.", "It goes with the database.")
    return target.open_admin()
