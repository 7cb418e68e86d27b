"""Stretches of time by the wall clock of a zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tests.stats.reference.asked import Asked, Event, Events

MINUTES = {"minute": 1, "five_minutes": 5, "ten_minutes": 10, "fifteen_minutes": 15, "hour": 60}
LENGTHS = (*MINUTES, "day", "week", "month", "year")
_MINUTE_MS = 60_000
_HALF_DAY_MS = 12 * 60 * _MINUTE_MS


@dataclass(frozen=True)
class Bucket:
    """The wall clock at which one begins, and, below a day, how far that clock is from UTC.

    The hour that is run through twice has one clock time and two offsets, so it is two buckets.
    """

    clock: datetime
    offset: timedelta

    @property
    def name(self) -> str:
        """The clock time, as the API writes it."""
        return self.clock.strftime("%Y-%m-%d %H:%M:%S")


@lru_cache(maxsize=100_000)
def wall_clock(milliseconds: int, zone: str) -> datetime:
    """What clocks in a zone show at a moment; it knows its offset."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return moment.astimezone(ZoneInfo(zone))


def local_day(milliseconds: int, zone: str) -> date:
    """The date in a zone at a moment."""
    return wall_clock(milliseconds, zone).date()


def first_day(day: date, length: str) -> date:
    """The first day of the week (Monday), month or year that a day is in."""
    if length == "week":
        return day - timedelta(days=day.isoweekday() - 1)
    if length == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if length == "year" else day


def day_start(day: date, zone: str) -> int:
    """The first moment of a day in a zone: midnight, or when clocks jump over it, that jump."""
    shown = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    moments = (round(shown.replace(fold=fold).timestamp() * 1000) for fold in (0, 1))
    return min(each for each in moments if local_day(each, zone) == day)


def bucket_of(milliseconds: int, zone: str, length: str) -> Bucket:
    """The bucket that a moment falls into."""
    shown = wall_clock(milliseconds, zone)
    if length in MINUTES:
        minutes = shown.hour * 60 + shown.minute
        begun = minutes - minutes % MINUTES[length]
        clock = shown.replace(
            hour=begun // 60, minute=begun % 60, second=0, microsecond=0, tzinfo=None, fold=0
        )
        return Bucket(clock, shown.utcoffset() or timedelta())
    day = first_day(shown.date(), length)
    return Bucket(datetime(day.year, day.month, day.day), timedelta())


def by_bucket(events: Events, zone: str, length: str) -> dict[Bucket, list[Event]]:
    """Events by the bucket that they fall into."""
    found: dict[Bucket, list[Event]] = {}
    for event in events:
        found.setdefault(bucket_of(event["timestamp"], zone, length), []).append(event)
    return found


def buckets(asked: Asked, length: str, matching: Events) -> list[Bucket]:
    """The buckets of a period in their order.

    They begin at the first event where the period has no beginning, and end now, where it has no end or
    reaches beyond; events that are ahead of the clock add buckets of their own.
    """
    moments = [event["timestamp"] for event in matching]
    if asked.start_ms is None and not moments:
        return []
    start = min(moments) if asked.start_ms is None else asked.start_ms
    end = asked.now_ms + 1 if asked.end_ms is None else min(asked.end_ms, asked.now_ms + 1)
    ahead = sorted(each for each in moments if each >= end)
    marks = [*_marks(start, end, asked.zone, length), *ahead]
    return list(dict.fromkeys(bucket_of(each, asked.zone, length) for each in marks))


def _marks(start: int, end: int, zone: str, length: str) -> Iterator[int]:
    """Moments from start to end, at least one in each bucket."""
    at = start
    while at < end:
        yield at
        at = _next_change(at, zone, MINUTES[length]) if length in MINUTES else at + _HALF_DAY_MS
    if start < end and length not in MINUTES:
        yield end - 1


def _next_change(at: int, zone: str, minutes: int) -> int:
    """The moment at which the bucket that holds a moment ends."""
    shown = wall_clock(at, zone)
    gone = (shown.hour * 60 + shown.minute) % minutes
    minute = at - at % _MINUTE_MS
    end = minute + (minutes - gone) * _MINUTE_MS
    if wall_clock(end, zone).utcoffset() == shown.utcoffset():
        return end
    changes = range(minute + _MINUTE_MS, end, _MINUTE_MS)
    return next((each for each in changes if wall_clock(each, zone).utcoffset() != shown.utcoffset()), end)
