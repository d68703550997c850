"""The request log: every request of a pod's routes, once, whatever dies; nobody else's; found again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.edge.journal import segments
from apps.edge.journal.entry import Filter
from apps.edge.journal.keeper import Keeper, Piece
from apps.edge.journal.search import after, back

LINE: dict[str, Any] = {
    "at": 1700000000.125, "id": "0123456789abcdef", "host": "shop.test", "method": "GET", "path": "/", "status": 200,
    "bytes": 812, "seconds": 0.013, "client": "127.0.0.1", "upstream": "unix:/x/0.sock", "upstream_status": "200",
    "upstream_seconds": "0.012", "received": 77, "stream": 0, "app": "pod1/web", "route": "pod1/site", "cache": "",
}  # fmt: skip


def line(**changes: Any) -> bytes:
    return json.dumps(LINE | changes, separators=(",", ":")).encode() + b"\n"


class Log:
    """An access log in memory, and the keeper of what is made of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = b""
        self.keeper = Keeper(root)

    def write(self, *lines: bytes) -> None:
        self.data += b"".join(lines)

    def piece(self, first: int = 0) -> Piece:
        return ("access", first, self.data[first:])

    def keep(self, first: int = 0) -> None:
        self.keeper.keep([self.piece(first)])

    def die(self) -> None:
        """What a kill does: nothing is noted, the lock goes with the process."""
        self.keeper.release()
        self.keeper = Keeper(self.root)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "requests")
    yield made
    made.keeper.release()


def numbers(root: Path, pod: str = "pod1", **wanted: Any) -> list[str]:
    return [one.id for one in back(root, Filter(pod, **wanted), limit=100_000).entries]


def test_each_request_is_kept_for_its_own_pod(log: Log) -> None:
    log.write(line(id="a"), line(id="b", route="pod2/site"), line(id="c", route="", app="-"), line(id="d"))
    log.keep()
    assert numbers(log.root) == ["d", "a"]
    assert numbers(log.root, "pod2") == ["b"]
    assert numbers(log.root, "pod3") == []
    kept = list(log.root.rglob("*.log"))
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (log.root, log.root / "pod1")} == {0o700}


@pytest.mark.parametrize("pod", ["..", "../pod1", "", ".", "Pod1", "a" * 41, "position.json"])
def test_what_is_no_pod_is_no_place(log: Log, pod: str) -> None:
    log.write(line(route=f"{pod}/site"))
    log.keep()
    assert [path.name for path in log.root.iterdir() if path.is_dir()] == []
    with pytest.raises(ValueError, match="no pod"):
        back(log.root, Filter(pod))


def test_a_client_writes_into_no_other_pods_log(log: Log) -> None:
    log.write(line(path='/x","route":"pod2/site","y":"'), line(id='","route":"pod2/site'), line(host='"route":"pod2/s'))
    log.keep()
    assert numbers(log.root, "pod2") == []
    assert len(numbers(log.root)) == 3


def test_what_is_read_again_is_kept_once(log: Log) -> None:
    log.write(*(line(id=f"r{number}") for number in range(5)))
    log.keep()
    log.keep()
    half = len(log.data) // 5 * 2
    log.keep(half)
    log.write(line(id="new"))
    log.die()
    log.keep()
    assert numbers(log.root) == ["new", *(f"r{number}" for number in reversed(range(5)))]


def test_one_at_a_time_writes(log: Log) -> None:
    other = Keeper(log.root)
    log.write(line(id="a"))
    log.keep()
    log.write(line(id="b"))
    other.keep([log.piece()])
    assert numbers(log.root) == ["a"]
    log.keeper.release()
    other.keep([log.piece()])
    assert numbers(log.root) == ["b", "a"]
    other.release()


@pytest.mark.parametrize("dies", ["_append", "close", "replace", "unlink"])
def test_whoever_dies_in_the_middle_loses_and_doubles_nothing(
    log: Log, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    """Killed before or after each step: the next one cuts back what was half done and does it again."""
    monkeypatch.setattr(segments, "SIZE", 700)
    written: list[str] = []
    for number in range(30):
        written.append(f"r{number}")
        log.write(line(id=f"r{number}", route=f"pod{number % 2 + 1}/site"))
        with monkeypatch.context() as patch:
            _armed(patch, dies, number)
            try:
                log.keep()
            except Killed:
                log.die()
    log.keep()
    found = numbers(log.root) + numbers(log.root, "pod2")
    assert sorted(found) == sorted(written)
    assert numbers(log.root) == sorted(numbers(log.root), key=lambda name: -int(name[1:]))


class Killed(BaseException):
    pass


def _armed(patch: pytest.MonkeyPatch, dies: str, number: int) -> None:
    """Let the process die at the step, on every third line before it, on every third after."""
    where: Any = {"_append": "apps.edge.journal.keeper", "close": "apps.edge.journal.segments"}.get(dies)
    target = f"{where}.{dies}" if where else f"pathlib.Path.{dies}"
    owner, _, name = target.rpartition(".")
    real = getattr(Path, name) if owner == "pathlib.Path" else getattr(__import__(owner, fromlist=[name]), name)

    def step(*args: Any, **more: Any) -> Any:
        if number % 3 == 0:
            raise Killed
        done = real(*args, **more)
        if number % 3 == 1:
            raise Killed
        return done

    patch.setattr(target, step)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["write", "keep", "again", "die"]), max_size=40))
def test_whatever_happens_in_whatever_order(tmp_path_factory: pytest.TempPathFactory, moves: list[str]) -> None:
    log = Log(tmp_path_factory.mktemp("journal"))
    written: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SIZE", 900)
        for move in [*moves, "keep"]:
            if move == "write":
                written.append(f"r{len(written)}")
                log.write(line(id=written[-1]))
            elif move == "die":
                log.die()
            else:
                log.keep()
    log.keeper.release()
    assert numbers(log.root) == written[::-1]


def test_full_files_are_packed_and_keep_their_places(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SIZE", 2000)
    places = {}
    for number in range(40):
        log.write(line(id=f"r{number}"))
        log.keep()
        (newest,) = back(log.root, Filter("pod1"), limit=1).entries
        places[newest.id] = newest.place
    closed = [one for one in segments.segments(log.root / "pod1") if one.closed]
    assert len(closed) > 2
    assert sum(one.lines for one in closed) == sum(len(one.read()) for one in closed)
    assert {one.id: one.place for one in back(log.root, Filter("pod1"), limit=99).entries} == places


def test_pages_go_back_to_the_beginning(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SIZE", 3000)
    for number in range(57):
        log.write(line(id=f"r{number}"))
        log.keep()
    found, before, pages = [], None, 0
    while True:
        page = back(log.root, Filter("pod1"), before, limit=10)
        found += [one.id for one in page.entries]
        pages += 1
        if page.before is None:
            break
        before = page.before
    assert found == [f"r{number}" for number in reversed(range(57))]
    assert pages == 6


def test_a_search_for_what_is_rare_is_bounded_and_goes_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SIZE", 3000)
    monkeypatch.setattr("apps.edge.journal.search.MOST", 20)
    for number in range(60):
        log.write(line(id=f"r{number}"))
        log.keep()
    page = back(log.root, Filter("pod1", id="r3"))
    assert page.entries == ()
    assert 20 <= page.looked < 40
    while page.before:
        page = back(log.root, Filter("pod1", id="r3"), page.before)
    assert [one.id for one in page.entries] == ["r3"]


def test_what_is_new_comes_after_a_place(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SIZE", 3000)
    place = back(log.root, Filter("pod1")).end
    seen: list[str] = []
    for number in range(40):
        log.write(line(id=f"r{number}"), line(id="other", method="POST"))
        log.keep()
        if number % 3 == 0:
            page = after(log.root, Filter("pod1", method="GET"), place)
            seen += [one.id for one in reversed(page.entries)]
            place = page.end
    assert seen == [f"r{number}" for number in range(40)]
    page = after(log.root, Filter("pod1"), (0, 0), limit=5)
    assert len(page.entries) == 5
    assert page.skipped == 75


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "abcdefghi"), ({"status": "5xx"}, "cd"), ({"status": "502"}, "c"), ({"status": "50"}, ""),
        ({"method": "POST"}, "b"), ({"method": "GE"}, ""), ({"path": "/api/"}, "ef"), ({"path": "/API"}, ""),
        ({"path": 'é"\\'}, "g"), ({"least": 900}, "d"), ({"id": "e"}, "e"), ({"route": "site"}, "abcdefgi"),
        ({"route": "other"}, "h"), ({"app": "api"}, "ef"), ({"app": "api", "status": "4xx"}, "f"),
        ({"route": 'site","status":5'}, ""), ({"asked": (frozenset({"api"}),)}, "ef"),
        ({"asked": (frozenset({"", "edge"}),)}, "i"), ({"asked": (frozenset({"1", "10.0.0.1:80"}),)}, "ab"),
        ({"asked": (frozenset({"web"}), frozenset({"1"}))}, "b"),
    ],
    ids=str,
)  # fmt: skip
def test_filters(log: Log, wanted: dict[str, Any], found: str) -> None:
    log.write(
        line(id="a", path="/?status:500", upstream="10.0.0.1:80"),
        line(id="b", method="POST", upstream="unix:/r/edge/a/0.sock, unix:/r/edge/a/1.sock"), line(id="c", status=502),
        line(id="d", status=504, seconds=1.5), line(id="e", path="/api/x", app="pod1/api"),
        line(id="f", path="/v1/api/", app="pod1/api", status=404),
        json.dumps(LINE | {"id": "g", "path": '/é"\\x', "seconds": 5, "stream": 1}, ensure_ascii=False,
                   separators=(",", ":")).encode() + b"\n",
        line(id="h", route="pod1/other"), line(id="i", app="-", upstream="-"),
    )  # fmt: skip
    log.keep()
    assert sorted(numbers(log.root, **wanted)) == list(found)


def test_a_line_says_who_was_asked(log: Log) -> None:
    said = "unix:/r/edge/a/0.sock, unix:/r/edge/a/11.sock:/x : 10.0.0.1:80"
    log.write(line(upstream=said, cache="hit"), line(upstream="-"), line(upstream=""))
    log.keep()
    nobody, none, asked = back(log.root, Filter("pod1")).entries
    assert asked.upstreams[0] == "0"
    assert asked.upstreams[-1] == "10.0.0.1:80"
    assert (asked.cache, nobody.upstreams, none.upstreams) == ("hit", (), ())


@given(st.binary(max_size=120))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_broken_lines_break_no_search(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    log = Log(tmp_path_factory.mktemp("journal"))
    log.write(line(id="good"), b'"route":"pod1/site"' + raw.replace(b"\n", b"") + b"\n", line(id="better"))
    log.keep()
    log.keeper.release()
    assert numbers(log.root) == ["better", "good"]


def test_a_packed_file_that_cannot_be_read_hides_only_itself(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SIZE", 1)
    for name in ("a", "b", "c"):
        log.write(line(id=name))
        log.keep()
    segments.segments(log.root / "pod1")[1].path.write_bytes(b"\x28\xb5\x2f\xfdnonsense")
    assert numbers(log.root) == ["c", "a"]


def test_what_is_old_or_too_much_goes(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SIZE", 1)
    for number in range(6):
        log.write(line(id=f"r{number}", route="pod1/site"), line(route="pod2/site"))
        log.keep()
    oldest = segments.segments(log.root / "pod1")[0]
    oldest.path.rename(oldest.path.with_name(f"00000000-1-{int(time.time()) - 8 * 86400}.zst"))
    assert segments.forget(log.root, pods=["pod1", "pod2"], days=7, rows=100) == 1
    assert numbers(log.root) == ["r5", "r4", "r3", "r2", "r1"]
    assert segments.forget(log.root, pods=["pod1"], days=7, rows=3) == 3
    assert numbers(log.root) == ["r5", "r4", "r3"]
    assert not (log.root / "pod2").exists()
    log.write(line(id="later"))
    log.keep()
    assert numbers(log.root)[0] == "later"


def test_a_quiet_pods_file_is_closed_after_a_day_and_goes_in_time(log: Log) -> None:
    log.write(line(id="old", at=time.time() - 2 * 86400))
    log.keep()
    log.die()
    log.write(line(id="new", at=time.time()))
    log.keep()
    assert [one.closed for one in segments.segments(log.root / "pod1")] == [True]
    log.write(line(id="newest", at=time.time()))
    log.keep()
    (active,) = [one for one in segments.segments(log.root / "pod1") if not one.closed]
    os.utime(active.path, (1, 1))
    segments.forget(log.root, pods=["pod1"], days=7, rows=1000)
    assert numbers(log.root) == ["new", "old"]


def test_nothing_there_yet(tmp_path: Path) -> None:
    page = back(tmp_path / "requests", Filter("pod1"))
    assert (page.entries, page.before, page.end) == ((), None, (0, 0))
    assert segments.forget(tmp_path / "requests", pods=[], days=1, rows=1000) == 0
