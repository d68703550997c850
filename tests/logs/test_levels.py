from __future__ import annotations

import pytest

from apps.logs.levels import level


@pytest.mark.parametrize(
    ("text", "stream", "expected"),
    [
        ("listening on 8080", "out", "info"),
        ("listening on 8080", "err", "warn"),
        ("started", "engine", "engine"),
        ("ERROR: it broke", "engine", "engine"),
        ("LOG:  database system is ready to accept connections", "err", "info"),
        ("2026-11-22 13:42:52.086 UTC [71] LOG:  checkpoint starting: shutdown immediate", "err", "info"),
        ('FATAL:  password authentication failed for user "brainpod"', "err", "error"),
        ('ERROR:  relation "a" does not exist at character 15', "err", "error"),
        ("STATEMENT:  select 1 -- ERROR: not one", "err", "info"),
        ("2026-11-22 13:42:52 0 [Note] mariadbd: ready for connections.", "err", "info"),
        ("2026-11-22 13:42:52 0 [ERROR] InnoDB: Unable to lock ./ibdata1", "err", "error"),
        ("2026/11/22 13:42:52 [warn] 7#7: conflicting server name", "err", "warn"),
        ("INFO:waitress:Serving on http://0.0.0.0:8080", "err", "info"),
        ("[2026-11-22 13:42:52 +0000] [12] [INFO] Booting worker", "err", "info"),
        ("[2026-11-22 13:42:52 +0000] [12] [CRITICAL] WORKER TIMEOUT", "err", "error"),
        ('time="2026-11-22" level=warning msg="slow"', "out", "warn"),
        ('{"level":"error","msg":"no"}', "out", "error"),
        ('{"time": 1, "severity": "INFO", "message": "GET /error"}', "err", "info"),
        ("warning: unused variable", "err", "warn"),
        ("error: could not compile", "out", "error"),
        ("Traceback (most recent call last):", "err", "error"),
        ("ValueError: no", "err", "error"),
        ("django.db.utils.OperationalError: no such table", "err", "error"),
        ("GET /error HTTP/1.1 200", "out", "info"),
        ("no error so far", "out", "info"),
        ("the log is empty", "err", "warn"),
        ("INFORMATION for all", "err", "warn"),
        ("x" * 200 + " ERROR: far behind", "out", "info"),
        ("", "err", "warn"),
    ],
)
def test_the_level_is_what_a_line_says_of_itself(text: str, stream: str, expected: str) -> None:
    assert level(text, stream) == expected
