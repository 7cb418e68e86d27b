"""The stretch of time that a question is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rybbit import clock
from rybbit.errors import InvalidInput

_LONGEST_MINUTES = 100 * 366 * 24 * 60


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_ms` to `end_ms`, the end exclusive, in milliseconds since 1970; None is unbounded."""

    start_ms: int | None
    end_ms: int | None
    zone: ZoneInfo

    @property
    def condition(self) -> str:
        """The SQL condition on `timestamp`; see `parameters`."""
        bounds = []
        if self.start_ms is not None:
            bounds.append("timestamp >= make_timestamp_ms($start_ms)")
        if self.end_ms is not None:
            bounds.append("timestamp < make_timestamp_ms($end_ms)")
        return " and ".join(bounds) or "true"

    @property
    def parameters(self) -> dict[str, int]:
        """The values that `condition` refers to."""
        bounds = {"start_ms": self.start_ms, "end_ms": self.end_ms}
        return {name: value for name, value in bounds.items() if value is not None}


def parse_period(arguments: Mapping[str, str]) -> Period:
    """The period that query parameters name.

    `start_date` and `end_date` are days of `time_zone`, both inclusive, one may be missing;
    `past_minutes_start` and `past_minutes_end` count back from now; without any it is all time.

    Raises:
        InvalidInput: a parameter is malformed, or the period ends before it begins.
    """
    zone = _zone(arguments.get("time_zone") or "UTC")
    if arguments.get("past_minutes_start") or arguments.get("past_minutes_end"):
        return _recent(arguments, zone)
    first = _day(arguments, "start_date")
    last = _day(arguments, "end_date")
    if first is not None and last is not None and last < first:
        raise InvalidInput({"end_date": ["Must not be before start_date"]})
    return Period(
        None if first is None else _midnight(first, zone),
        None if last is None else _midnight(last + timedelta(days=1), zone),
        zone,
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput({"time_zone": ["Must be an IANA time zone, such as Europe/Berlin"]}) from error


def _day(arguments: Mapping[str, str], name: str) -> date | None:
    text = arguments.get(name)
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise InvalidInput({name: ["Must be a date such as 2026-01-31"]}) from error
    if not 1970 <= day.year <= 9000:
        raise InvalidInput({name: ["Must be between the years 1970 and 9000"]})
    return day


def _midnight(day: date, zone: ZoneInfo) -> int:
    # Where midnight does not exist (clocks went forward), this is the moment they did.
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)


def _recent(arguments: Mapping[str, str], zone: ZoneInfo) -> Period:
    now = clock.now_ms()
    start = _minutes(arguments, "past_minutes_start")
    end = _minutes(arguments, "past_minutes_end")
    if start is None:
        raise InvalidInput({"past_minutes_start": ["Required with past_minutes_end"]})
    if end is not None and end >= start:
        raise InvalidInput({"past_minutes_end": ["Must be less than past_minutes_start"]})
    # Up to now includes an event of this very millisecond.
    return Period(now - start * 60_000, now + 1 if not end else now - end * 60_000, zone)


def _minutes(arguments: Mapping[str, str], name: str) -> int | None:
    text = arguments.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= _LONGEST_MINUTES):
        raise InvalidInput({name: ["Must be a whole number of minutes, 0 or more"]})
    return int(text)
