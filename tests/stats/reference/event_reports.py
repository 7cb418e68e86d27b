"""What happened beside pageviews; a filter of an event's name keeps events here, not visits."""

import json
from collections import Counter
from dataclasses import replace

from tests.stats.reference.asked import Asked, Event, Events, Row, moment, of_type, text
from tests.stats.reference.buckets import buckets, by_bucket
from tests.stats.reference.narrowing import narrow
from tests.stats.reference.sessions import properties_of, shown_event
from tests.stats.reference.traits import counts, iso

_MOST_ROWS = 1000


def _matching(events: Events, asked: Asked) -> list[Event]:
    return narrow(events, asked, event_level=True).matching


def event_names(events: Events, asked: Asked, *, limit: int = _MOST_ROWS) -> list[Row]:
    """How often each custom event happened."""
    found = Counter(text(event, "event_name") for event in of_type(_matching(events, asked), "custom_event"))
    return [{"eventName": name, "count": count} for name, count in _ordered(found)[:limit]]


def event_properties(events: Events, asked: Asked, event_name: str) -> list[Row]:
    """How often each property of a custom event had which value."""
    found: Counter[tuple[str, str]] = Counter()
    for event in of_type(_matching(events, asked), "custom_event"):
        if text(event, "event_name") == event_name:
            for key, value in properties_of(event).items():
                found[key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)] += 1
    ordered = sorted(found.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [
        {"propertyKey": key, "propertyValue": value, "count": count}
        for (key, value), count in ordered[:_MOST_ROWS]
    ]


def outbound_clicks(events: Events, asked: Asked) -> list[Row]:
    """How often each link was followed, and when last."""
    clicks = of_type(_matching(events, asked), "outbound")
    found = Counter(str(properties_of(event)["url"]) for event in clicks)
    last = {properties_of(event)["url"]: event["timestamp"] for event in clicks}
    return [{"url": url, "count": count, "lastClicked": iso(last[url])} for url, count in _ordered(found)]


def events_bucketed(events: Events, asked: Asked, length: str, *, limit: int = 5) -> list[Row]:
    """How often the most frequent custom events happened in each bucket; rows for those that did."""
    names = [row["eventName"] for row in event_names(events, asked, limit=limit)]
    matching = _matching(events, asked)
    lots = by_bucket(of_type(matching, "custom_event"), asked.zone, length)
    rows = []
    for bucket in buckets(asked, length, matching):
        found = Counter(text(event, "event_name") for event in lots.get(bucket, []))
        rows += [
            {"time": bucket.name, "event_name": name, "event_count": count}
            for name, count in _ordered(found)
            if name in names
        ]
    return rows


def event_counts(events: Events, asked: Asked, length: str) -> list[Row]:
    """How many events of each type there were in each bucket."""
    matching = _matching(events, asked)
    lots = by_bucket(matching, asked.zone, length)
    types = {
        f"{kind}_count": kind for kind in ("pageview", "custom_event", "performance", "outbound", "error")
    }
    return [
        {
            "time": bucket.name,
            **counts(lots.get(bucket, []), **types),
            "event_count": len(lots.get(bucket, [])),
        }
        for bucket in buckets(asked, length, matching)
    ]


def _ordered(found: Counter[str]) -> list[tuple[str, int]]:
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def event_pages(events: Events, asked: Asked, *, page_size: int, most: int, since_ms: int) -> list[Row]:
    """The first pages of single events, the newest first, each with where the next one begins."""
    pages: list[Row] = []
    since = max(since_ms, asked.start_ms or since_ms)
    before = asked.end_ms
    while len(pages) < most:
        found = _matching(events, replace(asked, start_ms=since, end_ms=before))
        newest = sorted(found, key=moment, reverse=True)
        if not newest:
            return [*pages, {"events": [], "has_more": False, "oldest_ms": None}]
        # A page does not end between events of one millisecond.
        before = newest[:page_size][-1]["timestamp"]
        page = [each for each in newest if each["timestamp"] >= before]
        is_more = len(newest) > len(page)
        pages.append(
            {"events": [shown_event(each) for each in page], "has_more": is_more, "oldest_ms": before}
        )
    return pages


def live_user_count(events: Events, asked: Asked, *, minutes: int) -> int:
    """How many visits of the site, whatever is asked about it, had an event in the last minutes."""
    since = asked.now_ms - minutes * 60_000
    recent = [each for each in events if each["site_id"] == asked.site_id and each["timestamp"] >= since]
    return len({each["session_id"] for each in recent})


def has_data(events: Events, asked: Asked) -> bool:
    """Whether the site, whatever is asked about it, has any event."""
    return any(each["site_id"] == asked.site_id for each in events)


def count_events(events: Events, asked: Asked) -> int:
    """How many events match."""
    return len(narrow(events, asked).matching)
