"""What goes wrong with a server, in words that show neither password nor connection string."""

from __future__ import annotations

from apps.core.errors import Unavailable, UserError
from apps.sql.base import Where


def credentials(where: Where) -> UserError:
    at = f" or has no database {where.database} for it" if where.database else ""
    return UserError(
        "database_credentials",
        f"The server does not let {where.username} in with this password{at}.",
        "Check user name, password and database.",
    )


def unreachable(where: Where) -> Unavailable:
    return Unavailable(
        "database_silent",
        f"No database server answers at {where.host}:{where.port}.",
        "Is it running, and are host and port right?",
    )


def refused(words: str, hint: str = "") -> UserError:
    """The server's own words about a statement."""
    return UserError("sql_refused", words.strip()[:2000] or "The server refuses the statement.", hint)


def timed_out(seconds: float) -> UserError:
    return UserError(
        "sql_timeout",
        f"The statement ran for {seconds:g} seconds and was ended.",
        "Ask for less, or look with Explain for an index it could use. Nothing was changed.",
        status=422,
    )


def cancelled() -> UserError:
    return UserError("sql_cancelled", "The statement was cancelled.", "Nothing was changed.", status=422)


def too_big(size: int) -> UserError:
    return UserError(
        "sql_too_big",
        f"One row of the answer is larger than {size >> 20} MB.",
        "Choose its columns, or shorten them with substring() or left().",
        status=422,
    )
