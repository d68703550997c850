"""Readers who take nothing for a while: whoever else is there notices nothing of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.e2e.test_push_to_live import new_pod
from tests.stack.platform import Platform
from tests.stack.visitor import Visitor

pytestmark = pytest.mark.platform
READERS = 20  # more than the threads that make pages
SIZE = 32 << 20  # more than the kernel and nginx hold for somebody
BACKUP = f"""
import io, os
from apps.backups import keys, sealing
from apps.backups.models import Backup
from apps.pods.models import Pod
row = Backup(pod=Pod.objects.get(name="slow"), name="db", kind="PostgresDB", state="completed", file="db.dump.zst.age")
row.path.parent.mkdir(parents=True, exist_ok=True)
with sealing.sealing(io.BytesIO(os.urandom({SIZE})), row.path, keys.recipients()) as sealed:
    pass
row.size, row.raw_size, row.digest = sealed.size, {SIZE}, sealed.digest
row.save()
print(row.pk)
"""


@pytest.fixture
def visitor(platform: Platform) -> Iterator[Visitor]:
    made = Visitor(platform)
    yield made
    made.close()


def test_pages_answer_while_twenty_read_slowly(platform: Platform, visitor: Visitor) -> None:
    new_pod(visitor, "slow")
    pk = platform.manage("shell", "-c", BACKUP).stdout.strip().splitlines()[-1]
    path = f"/pods/slow/backups/{pk}/content/"
    visitor.get("/pods/slow/backups/")
    with ExitStack() as open_ones:
        readers = [open_ones.enter_context(visitor.streamed(path)) for _ in range(READERS)]
        pieces = [reader.iter_raw(1 << 16) for reader in readers]
        taken = [len(next(one)) for one in pieces]
        assert [reader.status_code for reader in readers] == [200] * READERS
        slowest = 0.0
        for _ in range(5):
            began = time.monotonic()
            visitor.get("/pods/slow/backups/")
            slowest = max(slowest, time.monotonic() - began)
        print(f"slowest page beside {READERS} slow downloads: {slowest:.2f} s")
        assert slowest < 20
        more = [open_ones.enter_context(visitor.streamed(path)) for _ in range(5)]
        assert [answer.status_code for answer in more] == [200] * 4 + [429]
        assert taken[0] + sum(map(len, pieces[0])) == SIZE, "who goes on gets all of it"
    deadline = time.monotonic() + 60
    while _status(visitor, path) == 429:
        assert time.monotonic() < deadline, "places of readers who left are free again"
        time.sleep(0.2)
    assert httpx.codes.is_success(visitor.get("/pods/slow/backups/").status_code)


def _status(visitor: Visitor, path: str) -> int:
    with visitor.streamed(path) as answer:
        return answer.status_code
