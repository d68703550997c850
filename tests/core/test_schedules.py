"""When jobs are due, above all where clocks are put forward and back."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.core.schedules import MOST, Schedule

VIENNA, HOWE, APIA = "Europe/Vienna", "Australia/Lord_Howe", "Pacific/Apia"
SHIFTS = (
    ("UTC", datetime(2026, 3, 28)),
    (VIENNA, datetime(2026, 3, 28)),
    (VIENNA, datetime(2026, 10, 24)),
    ("America/New_York", datetime(2026, 3, 7)),
    ("America/New_York", datetime(2026, 10, 31)),
    ("Asia/Beirut", datetime(2024, 3, 30)),  # at midnight
    ("America/Santiago", datetime(2024, 9, 7)),
    (HOWE, datetime(2026, 4, 4)),  # by half an hour
    (HOWE, datetime(2026, 10, 3)),
    (APIA, datetime(2011, 12, 29)),  # a whole day is left out
    ("Asia/Kathmandu", datetime(2026, 5, 5)),
)
DAYS = 4


def due(line: str, zone: str, start: datetime, number: int) -> list[str]:
    """The first `number` times after `start`, as UTC."""
    found = itertools.islice(Schedule(line, zone).moments(start), number)
    return [moment.strftime("%m-%d %H:%M") for moment in found]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("line", "zone", "start", "expected"),
    [
        ("0 3 * * *", "UTC", utc(2026, 1, 1), ["01-01 03:00", "01-02 03:00"]),
        ("0 3 * * *", VIENNA, utc(2026, 7, 1), ["07-01 01:00", "07-02 01:00"]),
        ("@hourly", "UTC", utc(2026, 1, 1, 0, 30), ["01-01 01:00", "01-01 02:00"]),
        ("@Weekly", "UTC", utc(2026, 1, 1), ["01-04 00:00", "01-11 00:00"]),
        ("@monthly", "UTC", utc(2026, 1, 1), ["02-01 00:00", "03-01 00:00"]),
        # 02:00 to 03:00 is left out: once, right after.
        ("30 2 * * *", VIENNA, utc(2026, 3, 28, 12), ["03-29 01:00", "03-30 00:30"]),
        ("0,20,40 2 * * *", VIENNA, utc(2026, 3, 29), ["03-29 01:00", "03-30 00:00", "03-30 00:20"]),
        ("*/20 2 * * *", VIENNA, utc(2026, 3, 29), ["03-29 01:00", "03-30 00:00", "03-30 00:20"]),
        # 02:00 to 03:00 comes twice: the first time.
        ("30 2 * * *", VIENNA, utc(2026, 10, 24, 12), ["10-25 00:30", "10-26 01:30"]),
        ("30 2 * * *", VIENNA, utc(2026, 10, 25, 1, 10), ["10-26 01:30"]),
        # What runs every hour keeps to the time that passes.
        ("0 * * * *", VIENNA, utc(2026, 3, 29), ["03-29 01:00", "03-29 02:00"]),
        ("0 * * * *", VIENNA, utc(2026, 10, 25, 0), ["10-25 01:00", "10-25 02:00"]),
        ("*/30 * * * *", VIENNA, utc(2026, 10, 25, 0, 10), ["10-25 00:30", "10-25 01:00", "10-25 01:30"]),
        ("15 2 * * *", HOWE, utc(2026, 10, 2, 18), ["10-03 15:30", "10-04 15:15"]),
        ("0 12 * * *", APIA, utc(2011, 12, 29, 23), ["12-30 10:00", "12-30 22:00"]),
        ("0 0 29 2 *", "UTC", utc(2026, 1, 1), ["02-29 00:00"]),
    ],
)
def test_when_it_is_due(line: str, zone: str, start: datetime, expected: list[str]) -> None:
    assert due(line, zone, start, len(expected)) == expected


numbers = st.sets(st.integers(0, 59), min_size=1, max_size=3)


@given(
    shift=st.sampled_from(SHIFTS), minutes=numbers, hours=st.sets(st.integers(0, 23), min_size=1, max_size=6),
    offset=st.integers(0, 24 * 60 * 60),
)  # fmt: skip
def test_the_clock_on_the_wall_decides_minute_by_minute(
    shift: tuple[str, datetime], minutes: set[int], hours: set[int], offset: int
) -> None:
    """Told once more by walking through every minute: what the clock shows for the first time, or has just skipped."""
    zone = ZoneInfo(shift[0])
    start = (shift[1] + timedelta(seconds=offset)).replace(tzinfo=zone).astimezone(UTC)
    end = start + timedelta(days=DAYS)

    def shown(moment: datetime) -> datetime:
        return moment.astimezone(zone).replace(tzinfo=None, fold=0)

    def matches(wall: datetime) -> bool:
        return wall.minute in minutes and wall.hour in hours

    expected = []
    minute = start.replace(second=0, microsecond=0)
    latest = shown(minute - timedelta(hours=3))
    for back in range(180, 0, -1):  # the clock may have been put back just before
        latest = max(latest, shown(minute - timedelta(minutes=back)))
    while minute <= end:
        wall = shown(minute)
        passed = [latest + timedelta(minutes=n + 1) for n in range(int((wall - latest).total_seconds() // 60))]
        if minute > start and any(map(matches, passed)):
            expected.append(minute)
        latest = max(latest, wall)
        minute += timedelta(minutes=1)
    line = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    found = itertools.takewhile(lambda moment: moment <= end, Schedule(line, shift[0]).moments(start))
    assert list(found) == expected


@given(shift=st.sampled_from(SHIFTS), minutes=numbers, offset=st.integers(0, 3 * 24 * 60 * 60))
def test_every_hour_is_an_hour_whatever_the_clock_does(
    shift: tuple[str, datetime], minutes: set[int], offset: int
) -> None:
    start = (shift[1] + timedelta(seconds=offset)).replace(tzinfo=ZoneInfo(shift[0])).astimezone(UTC)
    found = list(itertools.islice(Schedule(f"{','.join(map(str, minutes))} * * * *", shift[0]).moments(start), 60))
    assert found == sorted(set(found))
    assert all(later - earlier <= timedelta(minutes=90) for earlier, later in itertools.pairwise(found))


@given(
    line=st.sampled_from(["* * * * *", "7 */3 * * *", "0 3 * * 1", "@monthly", "@hourly"]),
    shift=st.sampled_from(SHIFTS), hours=st.integers(0, 24 * 70),
)  # fmt: skip
def test_the_last_and_the_number_of_those_before_are_found(line: str, shift: tuple[str, datetime], hours: int) -> None:
    schedule, start = Schedule(line, shift[0]), shift[1].replace(tzinfo=UTC)
    until = start + timedelta(hours=hours)
    every = list(itertools.takewhile(lambda moment: moment <= until, schedule.moments(start)))
    last = schedule.last(after=start, until=until)
    assert last == (every[-1] if every else None)
    if last:
        assert schedule.count(after=start, before=last) == min(len(every) - 1, MOST)


@pytest.mark.parametrize(
    ("line", "zone", "field"),
    [
        ("", "UTC", "schedule"),
        ("every day", "UTC", "schedule"),
        ("* * * * * *", "UTC", "schedule"),
        ("60 * * * *", "UTC", "schedule"),
        ("0 0 30 2 *", "UTC", "schedule"),
        ("0 3 * * */0", "UTC", "schedule"),
        ("@reboot", "UTC", "schedule"),
        ("0 0 * * MON,\0", "UTC", "schedule"),
        ("0 3 * * *", "Vienna", "timeZone"),
        ("0 3 * * *", "", "timeZone"),
        ("0 3 * * *", "../../etc/passwd", "timeZone"),
        ("0 3 * * *", "/etc/localtime", "timeZone"),
    ],
)
def test_what_is_no_schedule_is_refused_by_its_field(line: str, zone: str, field: str) -> None:
    with pytest.raises(Invalid) as error:
        Schedule(line, zone).check()
    assert [detail.path for detail in error.value.details] == [field]


@given(st.text(max_size=40), st.text(max_size=20))
def test_whatever_is_typed_is_refused_in_words_or_due_some_day(line: str, zone: str) -> None:
    schedule = Schedule(line, zone)
    try:
        schedule.check()
    except Invalid:
        return
    assert schedule.after(utc(2026, 1, 1)) is not None
    assert schedule.words


@given(st.lists(st.text(alphabet="0123456789*/,-L#MONjan ", max_size=8), min_size=5, max_size=5))
def test_whatever_looks_like_one_too(fields: list[str]) -> None:
    schedule = Schedule(" ".join(field.replace(" ", "") or "*" for field in fields))
    try:
        schedule.check()
    except Invalid:
        return
    assert schedule.after(utc(2026, 1, 1)) is not None
    assert schedule.words


def test_it_is_told_in_words() -> None:
    assert Schedule("0 3 * * *", VIENNA).words == "at 03:00 every day, Europe/Vienna"
