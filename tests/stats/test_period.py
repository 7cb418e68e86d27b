"""Periods: days of a time zone, and minutes back from now."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.stats.period import Period, parse_period
from tests.store.conftest import Clocks
from tests.store.parts import Parts, line

HOUR_MS = 3_600_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "America/Havana")


def _moment(milliseconds: int | None, zone: str) -> str:
    assert milliseconds is not None
    return datetime.fromtimestamp(milliseconds / 1000, ZoneInfo(zone)).isoformat()


class TestDays:
    """`start_date` and `end_date`."""

    def test_none_is_all_time(self) -> None:
        period = parse_period({})
        assert (period.start_ms, period.end_ms, period.condition, period.parameters) == (
            None,
            None,
            "true",
            {},
        )
        assert parse_period({"start_date": "", "end_date": "", "time_zone": ""}) == period

    def test_both_are_inclusive(self) -> None:
        period = parse_period({"start_date": "2026-03-01", "end_date": "2026-03-02"})
        assert _moment(period.start_ms, "UTC") == "2026-03-01T00:00:00+00:00"
        assert _moment(period.end_ms, "UTC") == "2026-03-03T00:00:00+00:00"

    def test_one_may_be_missing(self) -> None:
        assert parse_period({"start_date": "2026-03-01"}).end_ms is None
        assert parse_period({"end_date": "2026-03-01"}).start_ms is None

    @pytest.mark.parametrize(
        ("zone", "day", "start", "hours"),
        [
            ("Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00", 23),
            ("Europe/Berlin", "2026-10-25", "2026-10-25T00:00:00+02:00", 25),
            ("Asia/Kathmandu", "2026-01-01", "2026-01-01T00:00:00+05:45", 24),
            # Clocks went forward at midnight, so that the day began at one o'clock.
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00", 23),
            # Midnight came twice; the day began with the first.
            ("America/Havana", "2025-11-02", "2025-11-02T00:00:00-04:00", 25),
            # There was no such day.
            ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00", 0),
        ],
    )
    def test_days_of_every_length(self, zone: str, day: str, start: str, hours: int) -> None:
        period = parse_period({"start_date": day, "end_date": day, "time_zone": zone})
        assert period.start_ms is not None and period.end_ms is not None
        assert _moment(period.start_ms, zone) == start
        assert period.end_ms - period.start_ms == hours * HOUR_MS

    @given(
        zone=st.sampled_from(ZONES),
        first=st.dates(date(1970, 1, 1), date(2100, 1, 1)),
        lengths=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    )
    def test_periods_side_by_side_leave_no_gap(self, zone: str, first: date, lengths: list[int]) -> None:
        periods = []
        for length in lengths:
            last = first + timedelta(days=length)
            periods.append(parse_period({"start_date": str(first), "end_date": str(last), "time_zone": zone}))
            first = last + timedelta(days=1)
        assert all(one.end_ms == other.start_ms for one, other in pairwise(periods))

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"start_date": "2026-13-01"}, "start_date"),
            ({"start_date": "01.03.2026"}, "start_date"),
            ({"end_date": "2026-02-30"}, "end_date"),
            ({"end_date": "today"}, "end_date"),
            ({"start_date": "2026-03-01T00:00"}, "start_date"),
            ({"start_date": "1969-12-31"}, "start_date"),
            ({"end_date": "9999-12-31"}, "end_date"),
            ({"start_date": "\0"}, "start_date"),
            ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, "end_date"),
            ({"time_zone": "Mars/Olympus"}, "time_zone"),
            ({"time_zone": "../../../etc/passwd"}, "time_zone"),
            ({"time_zone": "/etc/localtime"}, "time_zone"),
            ({"time_zone": "Europe"}, "time_zone"),
            ({"time_zone": "right/Europe/Berlin"}, "time_zone"),
            ({"time_zone": "posix/Europe/Berlin"}, "time_zone"),
            ({"time_zone": "localtime"}, "time_zone"),
            ({"time_zone": "posixrules"}, "time_zone"),
            ({"time_zone": "Factory"}, "time_zone"),
            ({"time_zone": "a\0b"}, "time_zone"),
            ({"time_zone": "\ud800"}, "time_zone"),
            ({"time_zone": "x" * 5_000}, "time_zone"),
        ],
    )
    def test_what_is_refused_is_named(self, arguments: dict[str, str], field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            parse_period(arguments)
        assert list(refused.value.field_errors) == [field]

    @given(st.dictionaries(st.sampled_from(["start_date", "end_date", "time_zone"]), st.text(max_size=12)))
    def test_whatever_is_sent(self, arguments: dict[str, str]) -> None:
        try:
            period = parse_period(arguments)
        except InvalidInput as refused:
            assert set(refused.field_errors) <= set(arguments)
        else:
            assert (period.start_ms is None) == (not arguments.get("start_date"))


class TestMinutes:
    """`past_minutes_start` and `past_minutes_end`."""

    def test_up_to_now(self, clocks: Clocks) -> None:
        period = parse_period({"past_minutes_start": "30"})
        assert period.start_ms == clocks.now_ms - 30 * 60_000
        # An event of this very millisecond is in.
        assert period.end_ms == clocks.now_ms + 1
        assert parse_period({"past_minutes_start": "30", "past_minutes_end": "0"}) == period

    def test_up_to_some_minutes_ago(self, clocks: Clocks) -> None:
        period = parse_period({"past_minutes_start": "30", "past_minutes_end": "10"})
        assert period.end_ms == clocks.now_ms - 10 * 60_000

    def test_they_win_over_days(self, clocks: Clocks) -> None:
        period = parse_period({"past_minutes_start": "5", "start_date": "2020-01-01"})
        assert period.start_ms == clocks.now_ms - 5 * 60_000

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ({"past_minutes_end": "5"}, "past_minutes_start"),
            ({"past_minutes_start": "5", "past_minutes_end": "5"}, "past_minutes_end"),
            ({"past_minutes_start": "5", "past_minutes_end": "6"}, "past_minutes_end"),
            *[
                ({"past_minutes_start": text}, "past_minutes_start")
                for text in ("-1", "1.5", "x", "٣", "1e3", " 5", "9" * 9, "9" * 5_000)
            ],
        ],
    )
    def test_what_is_refused_is_named(self, arguments: dict[str, str], field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            parse_period(arguments)
        assert list(refused.value.field_errors) == [field]

    def test_a_hundred_years_can_be_asked_for(self, parts: Parts) -> None:
        period = parse_period({"past_minutes_start": str(100 * 366 * 24 * 60)})
        parts.store_line(line(1))
        sql = f"select count(*) from events where {period.condition}"
        assert parts.store.query(sql, period.parameters) == [(1,)]


def test_the_condition_holds_just_what_is_inside(parts: Parts) -> None:
    start = 1_772_366_400_000
    parts.store_line(*[line(number + 1, timestamp=start + number) for number in range(5)])
    zone = ZoneInfo("UTC")
    for first in (None, 1, 4):
        for end in (None, 0, 3, 9):
            period = Period(
                None if first is None else start + first, None if end is None else start + end, zone
            )
            sql = f"select id - 1 from events where {period.condition} order by id"
            expected = [each for each in range(5) if (first or 0) <= each < (5 if end is None else end)]
            assert [row[0] for row in parts.store.query(sql, period.parameters)] == expected


def test_now_is_the_clocks(clocks: Clocks) -> None:
    clocks.now_ms = round(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
    assert parse_period({"past_minutes_start": "1"}).end_ms == clock.now_ms() + 1
