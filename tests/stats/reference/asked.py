"""What is asked, and of what: events are dicts with the columns of `rybbit.store.event`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]
Events = Sequence[Event]
Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """The site, time and filters of a question; times are milliseconds since 1970, None is unbounded.

    `filters` are as the API takes them, but parsed: `{"parameter": …, "type": …, "value": [...]}`.
    """

    site_id: int
    start_ms: int | None = None
    end_ms: int | None = None
    zone: str = "UTC"
    filters: Sequence[Mapping[str, Any]] = ()
    now_ms: int = 0


def within(events: Iterable[Event], asked: Asked) -> list[Event]:
    """The events of site and period, in the order in which they happened."""
    start = float("-inf") if asked.start_ms is None else asked.start_ms
    end = float("inf") if asked.end_ms is None else asked.end_ms
    found = [each for each in events if each["site_id"] == asked.site_id and start <= each["timestamp"] < end]
    return sorted(found, key=moment)


def moment(event: Event) -> tuple[int, int]:
    """When an event happened, and which one of those that happened together."""
    return event["timestamp"], event["id"]


def by_session(events: Iterable[Event]) -> dict[int, list[Event]]:
    """The events of each session, in the order in which they are given."""
    sessions: dict[int, list[Event]] = {}
    for each in events:
        sessions.setdefault(each["session_id"], []).append(each)
    return sessions


def session_ids(events: Iterable[Event]) -> set[int]:
    """The sessions that have one of the events."""
    return {each["session_id"] for each in events}


def users(events: Iterable[Event]) -> set[int]:
    """The visitors who caused the events."""
    return {each["user_hash"] for each in events}


def of_type(events: Iterable[Event], name: str) -> list[Event]:
    """The events of one type."""
    return [each for each in events if each["type"] == name]


def pageviews(events: Iterable[Event]) -> list[Event]:
    """The events that are pageviews."""
    return of_type(events, "pageview")


def text(event: Event, column: str) -> str:
    """The text in a column, "" where there is none."""
    return event.get(column) or ""


def ratio(part: float, whole: float) -> float:
    """A quotient; 0 if there is nothing to divide by."""
    return part / whole if whole else 0.0


def share(part: float, whole: float) -> float:
    """How many per cent a part is; 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def bounce_rate(sessions: Iterable[Events]) -> float:
    """The share of sessions that have exactly one pageview."""
    singles = [len(pageviews(each)) == 1 for each in sessions]
    return share(sum(singles), len(singles))


def seconds_long(session: Events) -> float:
    """The seconds from the first to the last of some events."""
    moments: list[int] = [each["timestamp"] for each in session]
    return (max(moments) - min(moments)) / 1000
