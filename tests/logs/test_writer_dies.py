"""A writer killed in the middle, and a Valkey that ends under one: every line once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings

from apps.core.masking import Mask
from apps.infrastructure.embedded import process
from apps.logs import live, reader, store
from apps.logs.writer import LogWriter
from tests.stack.components import running_valkey, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

WRITES_UNTIL_KILLED = """
import itertools, sys, time
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[2]
django.setup()
from apps.core.masking import Mask
from apps.logs import live
from apps.logs.writer import LogWriter
log = LogWriter.open(sys.argv[1], mask=Mask([]))
for number in itertools.count(1):
    log.line(f"line {number}")
    if number % 50 == 0:
        time.sleep(0.01)
        newest = live.newest(sys.argv[1])
        print(newest.last if newest else 0, flush=True)
"""


@pytest.mark.usefixtures("valkey")
def test_what_a_killed_writer_published_is_stored_once_by_the_next(stream: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITES_UNTIL_KILLED, stream, str(connection.settings_dict["NAME"])],
        stdout=subprocess.PIPE, text=True, cwd=settings.ROOT, preexec_fn=process.dies_with_parent(),
    )  # fmt: skip
    published = 0
    try:
        assert child.stdout is not None
        for report in child.stdout:
            published = int(report)
            if published > 1000 and published > store.state(stream).last_seq > 0:
                break
    finally:
        child.kill()
        child.wait(30)
        child.stdout.close()
    assert published > 1000, "the writer ended by itself"
    with LogWriter.open(stream, mask=Mask([])) as log:
        assert store.state(stream).last_seq >= published
        log.line("after")
    lines = list(reader.everything(stream))
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert [line.text for line in lines] == [f"line {number}" for number in range(1, len(lines))] + ["after"]


def test_lines_go_on_when_valkey_ends_under_the_writer(stream: str, short_state: Path) -> None:
    with running_valkey(short_state) as url, override_settings(VALKEY_URL=url):
        log = LogWriter.open(stream, mask=Mask([]))
        log.line("with")
        wait_for(lambda: live.newest(stream) is not None, what="the line in Valkey")
        log.flush()
    with override_settings(VALKEY_URL=url):
        log.line("without")
        log.close()
        assert [(line.seq, line.text) for line in reader.read(stream)] == [(1, "with"), (2, "without")]
