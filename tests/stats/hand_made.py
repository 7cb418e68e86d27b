"""Events and questions that are small enough to be counted by hand."""

from typing import Any

from tests.stats.reference.asked import Asked, Event

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# 2026-03-01 12:00 UTC.
NOON = 1_772_366_400_000
SITE = Asked(1, now_ms=NOON + DAY)


def event(number: int, session: int = 1, *, after: int = 0, **columns: Any) -> Event:
    """A pageview of noon, by the visitor of its session's number."""
    fields = {"id": number, "session_id": session, "user_hash": session, "site_id": 1}
    return {**fields, "timestamp": NOON + after, "type": "pageview", **columns}


def asking(*filters: tuple[str, str, Any], **changes: Any) -> Asked:
    """A question of a day later, with filters of one value each."""
    named = [{"parameter": name, "type": kind, "value": [value]} for name, kind, value in filters]
    return Asked(1, filters=named, now_ms=NOON + DAY, **changes)


# Two pages and then an event; a bounce with an error; a visit without a page, by the visitor of the first.
VISITS = [
    event(1, 1, pathname="/", browser="Chrome", channel="Direct"),
    event(2, 1, after=MINUTE, pathname="/a", page_title="A", browser="Chrome", channel="Email"),
    event(3, 1, after=2 * MINUTE, type="custom_event", event_name="buy", pathname="/a", browser="Firefox"),
    event(4, 4, after=HOUR, pathname="/a", page_title="Newer A", channel="Direct"),
    event(5, 4, after=HOUR + 3_000, type="error"),
    event(6, 6, after=5 * HOUR, type="outbound", user_hash=1, browser="Chrome"),
    event(7, 7, site_id=2),
]
