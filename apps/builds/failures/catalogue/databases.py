"""Databases that do not answer or do not agree, as their clients say it."""

from __future__ import annotations

from apps.builds.failures.entry import BUILD_ON, RUNNING, Entry, signs

_ANY = (*BUILD_ON, *RUNNING)

DATABASES = (
    Entry(
        "database_auth_failed",
        "The database refuses the password",
        _ANY,
        "The database answered and does not let this user in.",
        "Use the database's reference (for example ${{db.uri}}) instead of a copied password, and deploy again after"
        " the password was changed.",
        signs(
            "password authentication failed for user",
            "Access denied for user",
            "NOAUTH Authentication required",
            "WRONGPASS invalid username-password pair",
            "no pg_hba.conf entry for host",
            "Authentication failed against database server",
        ),
    ),
    Entry(
        "database_missing",
        "There is no database of that name",
        _ANY,
        "The server answered, and has no database {name}.",
        "Create the database first, or correct its name in the variable with the address.",
        signs('database "{name}" does not exist', "Unknown database '{name}'", "Database `{name}` does not exist"),
    ),
    Entry(
        "database_unreachable",
        "The database does not answer",
        _ANY,
        "Nothing answered at the database's address: it is another one, not deployed yet, or this stage may not"
        " reach it.",
        "Use the reference to the database (for example ${{db.uri}}) instead of localhost, and deploy the"
        " database first."
        " Builds reach no database: migrate in the pre-start command.",
        signs(
            "connection to server at {*} failed",
            "connection failed: connection to server",
            "could not translate host name",
            "failed to resolve host '{*}'",
            "could not connect to server: ",
            "Can't connect to MySQL server on",
            "Can't connect to local MySQL server",
            "Error 111 connecting to",
            "Error -2 connecting to",
            "Can't reach database server at",
            "MongooseServerSelectionError",
            "MongoServerSelectionError",
            "ECONNREFUSED {*}:5432",
            "ECONNREFUSED {*}:3306",
            "ECONNREFUSED {*}:6379",
            "ECONNREFUSED {*}:27017",
            ":5432: connect: connection refused",
            ":3306: connect: connection refused",
            ":6379: connect: connection refused",
            "PG::ConnectionBad",
            "Communications link failure",
            "refused. Check that the hostname and port are correct",
            "SQLSTATE[HY000] [2002]",
            "SQLSTATE[08006]",
        ),
    ),
    Entry(
        "migration_failed",
        "A migration failed",
        _ANY,
        "The database could not be brought to the new schema; what serves keeps running with the old one.",
        "Read the line below, mend the migration and commit it. Try it on a copy of the data first.",
        signs(
            "CommandError: Conflicting migrations detected",
            "NodeNotFoundError",
            "InconsistentMigrationHistory",
            "NonNullableFieldError",
            "django.db.utils.{*}Error: {*}",
            "alembic.util.exc.CommandError: {*}",
            'alembic/script/revision.py"',
            "FAILED: Can't locate revision identified by",
            "FAILED: Multiple head revisions are present",
            "FAILED: Target database is not up to date",
            "Error: P3005",
            "Error: P3009",
            "Error: P3018",
            "migration failed with error:",
            "ActiveRecord::PendingMigrationError",
            "ActiveRecord::StatementInvalid",
            "rake aborted!",
            "FlywayException",
            "liquibase.exception.",
            "QueryFailedError: ",
        ),
    ),
)
