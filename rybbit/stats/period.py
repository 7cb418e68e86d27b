"""The stretch of time that a question is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from rybbit import clock
from rybbit.errors import InvalidInput

_LONGEST_MINUTES = 100 * 366 * 24 * 60
# The years 6 to 9986: what lies beyond falls off the calendar in some time zone.
_EARLIEST_MS = -62_000_000_000_000
_LATEST_MS = 253_000_000_000_000


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_ms` to `end_ms`, the end exclusive, in milliseconds since 1970; None is unbounded."""

    start_ms: int | None
    end_ms: int | None
    zone: ZoneInfo

    @classmethod
    def last_days(cls, days: int, zone: ZoneInfo) -> "Period":
        """So many days of the zone up to now, today among them."""
        today = clock.now().astimezone(zone).date()
        return cls(_midnight(today - timedelta(days=days - 1), zone), None, zone)

    @property
    def lengths_back(self) -> "Period":
        """The period of the same length just before.

        Whole days of the calendar are as many days before, however long the clocks made them.

        Raises:
            InvalidInput: it has no beginning, has not begun, or would begin before the calendar does.
        """
        start, end = self._bounds()
        if start - (end - start) < _EARLIEST_MS:
            raise InvalidInput({"compare": ["There is no calendar for the period before this one"]})
        first, last = self._local(start), self._local(end)
        if first.time() == last.time() == time():
            return Period(_midnight(first.date() - (last.date() - first.date()), self.zone), start, self.zone)
        return Period(start - (end - start), start, self.zone)

    @property
    def year_back(self) -> "Period":
        """The same a year ago.

        For a beginning on 29 February it is the 28th, for an end on that day, which is exclusive, 1 March,
        so that the 28th is in it; but the 28th too if it began on that very day.

        Raises:
            InvalidInput: it has no beginning, or has not begun.
        """
        first, last = map(self._local, self._bounds())
        is_within_a_day = first.date() == last.date()
        return Period(_a_year_before(first), _a_year_before(last, later=not is_within_a_day), self.zone)

    def _bounds(self) -> tuple[int, int]:
        if self.start_ms is None:
            raise InvalidInput({"compare": ["Needs a period with a beginning"]})
        end_ms = clock.now_ms() + 1 if self.end_ms is None else self.end_ms
        if end_ms < self.start_ms:
            raise InvalidInput({"compare": ["Needs a period that has begun"]})
        return self.start_ms, end_ms

    def _local(self, moment: int) -> datetime:
        return clock.from_ms(moment).astimezone(self.zone)

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


ALL_TIME = Period(None, None, ZoneInfo("UTC"))


def parse_period(arguments: Mapping[str, str]) -> Period:
    """The period that query parameters name.

    `start_date` and `end_date` are days of `time_zone`, both inclusive, one may be missing;
    `start_datetime` and `end_datetime` are moments (UTC unless they say otherwise), the end exclusive;
    `past_minutes_start` and `past_minutes_end` count back from now; without any it is all time.

    Raises:
        InvalidInput: a parameter is malformed, or the period ends before it begins.
    """
    zone = _zone(arguments.get("time_zone") or "UTC")
    if arguments.get("past_minutes_start") or arguments.get("past_minutes_end"):
        return _recent(arguments, zone)
    if arguments.get("start_datetime") or arguments.get("end_datetime"):
        return _between(arguments, zone)
    first = _day(arguments, "start_date")
    last = _day(arguments, "end_date")
    if first is not None and last is not None and last < first:
        raise InvalidInput({"end_date": ["Must not be before start_date"]})
    return Period(
        None if first is None else _midnight(first, zone),
        None if last is None else _midnight(last + timedelta(days=1), zone),
        zone,
    )


# What this machine is set to.
_NO_PLACES = {"Factory", "localtime"}


@cache
def _zones() -> set[str]:
    return {name for name in available_timezones() if name not in _NO_PLACES}


def _zone(name: str) -> ZoneInfo:
    if name not in _zones():
        raise InvalidInput({"time_zone": ["Must be an IANA time zone, such as Europe/Berlin"]})
    return ZoneInfo(name)


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


def _between(arguments: Mapping[str, str], zone: ZoneInfo) -> Period:
    start = _moment(arguments, "start_datetime")
    end = _moment(arguments, "end_datetime")
    if start is not None and end is not None and end < start:
        raise InvalidInput({"end_datetime": ["Must not be before start_datetime"]})
    return Period(start, end, zone)


def _moment(arguments: Mapping[str, str], name: str) -> int | None:
    text = arguments.get(name)
    if not text:
        return None
    try:
        return parse_moment(text)
    except ValueError as error:
        raise InvalidInput({name: ["Must be a time in ISO 8601"]}) from error


def parse_moment(text: str) -> int:
    """A moment in ISO 8601 (UTC unless it says otherwise) or milliseconds since 1970; in milliseconds.

    Raises:
        ValueError: it is neither, or beyond the years that every time zone can show.
    """
    try:
        milliseconds = _to_ms(text)
    except OverflowError as error:
        raise ValueError(text) from error
    if not _EARLIEST_MS <= milliseconds <= _LATEST_MS:
        raise ValueError(text)
    return milliseconds


def _to_ms(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    day, space, clock_time = text.strip().partition(" ")
    # A plus sign that was not escaped arrives as a space, but many write one between day and time.
    joined = f"{day}T{clock_time.replace(' ', '+')}" if space and "T" not in day else text.replace(" ", "+")
    parsed = datetime.fromisoformat(joined)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _a_year_before(moment: datetime, *, later: bool = False) -> int:
    """The same by the calendar; for what has no such day the one before, or `later` the one after."""
    try:
        earlier = moment.replace(year=moment.year - 1, fold=0)
    except ValueError:
        month, day = (3, 1) if later else (2, 28)
        earlier = moment.replace(year=moment.year - 1, month=month, day=day, fold=0)
    return round(earlier.timestamp() * 1000)


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
