"""Stretches of a period by clock and calendar of a time zone: hours, days, weeks that start on Monday.

Events are told apart by whole numbers that both engines compute alike, from the moment and the zone's offset
at that moment; names of buckets are given here. An hour that the clock runs through twice is two buckets of
one name, an hour that it leaves out is none, and a day is as long as it was.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import count, pairwise, starmap
from typing import TypeVar
from zoneinfo import ZoneInfo

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.stats.question import Question
from rybbit.store.base import EventStore

_Row = TypeVar("_Row")

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_MOST_BUCKETS = 50_000
# 1970-01-01 was a Thursday.
_DAYS_FROM_MONDAY = 3
# An event may be so far ahead of our clock.
_AHEAD_MS = 5 * _MINUTE_MS


class Bucket(StrEnum):
    """How long a bucket is."""

    MINUTE = "minute"
    FIVE_MINUTES = "five_minutes"
    TEN_MINUTES = "ten_minutes"
    FIFTEEN_MINUTES = "fifteen_minutes"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_MINUTES = {
    Bucket.MINUTE: 1,
    Bucket.FIVE_MINUTES: 5,
    Bucket.TEN_MINUTES: 10,
    Bucket.FIFTEEN_MINUTES: 15,
    Bucket.HOUR: 60,
}
_ROUGH_DAYS = {Bucket.DAY: 1, Bucket.WEEK: 7, Bucket.MONTH: 28, Bucket.YEAR: 365}

_EXTENT = "select epoch_ms(min(timestamp)), epoch_ms(max(timestamp)) from events where {matching}"


def parse_bucket(text: str | None) -> Bucket:
    """The length of buckets that a query parameter names, a day if it is left out.

    Raises:
        InvalidInput: there is no such length.
    """
    try:
        return Bucket(text or Bucket.DAY)
    except ValueError as error:
        raise InvalidInput({"bucket": [f"Must be one of {', '.join(Bucket)}"]}) from error


@dataclass(frozen=True)
class Timeline:
    """The buckets of a stretch of time, in their order.

    `sql` gives the number of the bucket of an event, `names` the local time at which each one begins.
    Events that are ahead of the clock may fall into one of `later`. Where clocks went back over midnight, a
    day `comes_back` after the next one had begun.
    """

    sql: str
    names: dict[int, str]
    later: dict[int, str]
    comes_back: bool = False

    def fill(self, rows: dict[int, _Row], empty: _Row) -> Iterator[tuple[str, _Row]]:
        """Name and row of each bucket, `empty` where there is none."""
        for key, name in self.names.items():
            yield name, rows.get(key, empty)
        for key, name in self.later.items():
            if key in rows:
                yield name, rows[key]


def find_timeline(store: EventStore, question: Question, bucket: Bucket) -> Timeline:
    """The buckets of a question's period; where it has no bound, from the first event, and up to now.

    Raises:
        InvalidInput: there would be too many buckets.
    """
    period = question.period
    start, end = period.start_ms, period.end_ms
    now = clock.now_ms()
    if start is None or end is None:
        first, last = question.ask(store, _EXTENT)[0]
        if start is None and not last:
            return Timeline("0", {}, {})
        start = int(first) if start is None else start
        end = max(now, int(last or 0)) + 1 if end is None else end
    filled = min(end, max(now + 1, start))
    return _timeline(start, filled, min(end, max(filled, now + _AHEAD_MS + 1)), period.zone, bucket)


def _timeline(start: int, filled: int, end: int, zone: ZoneInfo, bucket: Bucket) -> Timeline:
    length = _MINUTES[bucket] * _MINUTE_MS if bucket in _MINUTES else _ROUGH_DAYS[bucket] * _DAY_MS
    if (filled - start) / length > _MOST_BUCKETS:
        raise InvalidInput({"bucket": [f"Makes more than {_MOST_BUCKETS} rows; choose a longer one"]})
    spells = list(_spells(start, max(end, start + 1), zone))
    names = {key: name for spell in spells for key, name in _buckets(spell, filled, bucket, len(spells))}
    ahead = [replace(spell, start=max(spell.start, filled - 1)) for spell in spells if spell.end >= filled]
    every = {key: name for spell in ahead for key, name in _buckets(spell, end, bucket, len(spells))}
    later = {key: name for key, name in every.items() if key not in names}
    return Timeline(_key(spells, bucket), names, later, any(starmap(_day_comes_back, pairwise(spells))))


@dataclass(frozen=True)
class _Spell:
    """A stretch of time over which the zone's offset from UTC stays the same; all in milliseconds."""

    number: int
    start: int
    end: int
    offset: int


def _spells(start: int, end: int, zone: ZoneInfo) -> Iterator[_Spell]:
    at = start
    for number in count():
        if at >= end:
            return
        until = _next_change(at, end, zone)
        yield _Spell(number, at, until, _offset(at, zone))
        at = until


def _day_comes_back(before: _Spell, after: _Spell) -> bool:
    return (before.end - 1 + before.offset) // _DAY_MS > (after.start + after.offset) // _DAY_MS


def _offset(moment: int, zone: ZoneInfo) -> int:
    offset = clock.from_ms(moment).astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(milliseconds=1)


def _next_change(start: int, end: int, zone: ZoneInfo) -> int:
    """The first moment after `start` with another offset, at most `end`."""
    offset = _offset(start, zone)
    # No zone has changed its clocks twice within a week since 1970.
    step = 7 * _DAY_MS
    before = start
    while before < end and _offset(min(before + step, end), zone) == offset:
        before += step
    if before >= end:
        return end
    seconds = range(before // 1000, min(before + step, end) // 1000 + 1)
    return min(
        end, seconds[bisect_right(seconds, False, key=lambda at: _offset(at * 1000, zone) != offset)] * 1000
    )


def _by_spell(spells: list[_Spell], values: list[int]) -> str:
    """SQL for the number that belongs to the spell that an event falls into; it holds numbers only."""
    *others, last = zip(spells, values, strict=True)
    cases = [f"when epoch_us(timestamp) < {spell.end * 1000:d} then {value:d}" for spell, value in others]
    return f"(case {' '.join(cases)} else {last[1]:d} end)" if cases else f"{last[1]:d}"


def _key(spells: list[_Spell], bucket: Bucket) -> str:
    if bucket in (Bucket.MONTH, Bucket.YEAR):
        local = f"epoch_ms(timestamp) + {_by_spell(spells, [spell.offset for spell in spells])}"
        moment = f"make_timestamp_ms({local})"
        return f"year({moment})" if bucket is Bucket.YEAR else f"(year({moment}) * 12 + month({moment}) - 1)"
    # Microseconds are what the lake holds; to turn them into anything else costs as much as the rest.
    local = f"epoch_us(timestamp) + {_by_spell(spells, [spell.offset * 1000 for spell in spells])}"
    if bucket in _MINUTES:
        place = f"divide({local}, {_MINUTES[bucket] * _MINUTE_MS * 1000})"
        # What the clock shows twice is told apart by the spell.
        number = _by_spell(spells, [spell.number for spell in spells])
        return f"({place} * {len(spells)} + {number})" if len(spells) > 1 else place
    if bucket is Bucket.DAY:
        return f"divide({local}, {_DAY_MS * 1000})"
    return f"divide({local} + {_DAYS_FROM_MONDAY * _DAY_MS * 1000}, {7 * _DAY_MS * 1000})"


def _buckets(spell: _Spell, end: int, bucket: Bucket, spells: int) -> Iterator[tuple[int, str]]:
    """Number and name of the buckets that a spell reaches into before `end`."""
    end = min(spell.end, end)
    if spell.start >= end:
        return
    first, last = spell.start + spell.offset, end - 1 + spell.offset
    if bucket in _MINUTES:
        size = _MINUTES[bucket] * _MINUTE_MS
        for place in range(first // size, last // size + 1):
            yield place * spells + spell.number, _name(place * size)
        return
    day, last_day = first // _DAY_MS, last // _DAY_MS
    while day <= last_day:
        beginning = _first_day(day, bucket)
        yield _calendar_key(beginning, bucket), _name(beginning * _DAY_MS)
        day = _following(beginning, bucket)


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def _day(moment: date) -> int:
    return (moment - date(1970, 1, 1)).days


def _first_day(day: int, bucket: Bucket) -> int:
    moment = _date(day)
    if bucket is Bucket.WEEK:
        return day - moment.weekday()
    if bucket is Bucket.DAY:
        return day
    return _day(moment.replace(day=1) if bucket is Bucket.MONTH else moment.replace(day=1, month=1))


def _following(day: int, bucket: Bucket) -> int:
    if bucket in (Bucket.DAY, Bucket.WEEK):
        return day + _ROUGH_DAYS[bucket]
    # Some day of the next month or year.
    return _first_day(day + (31 if bucket is Bucket.MONTH else 366), bucket)


def _calendar_key(day: int, bucket: Bucket) -> int:
    moment = _date(day)
    if bucket is Bucket.DAY:
        return day
    if bucket is Bucket.WEEK:
        return (day + _DAYS_FROM_MONDAY) // 7
    return moment.year if bucket is Bucket.YEAR else moment.year * 12 + moment.month - 1


def _name(local: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=local)
    # Not `strftime`, which leaves out zeros of early years.
    return moment.replace(tzinfo=None).isoformat(" ", "seconds")
