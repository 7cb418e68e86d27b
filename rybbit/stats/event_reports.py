"""What happened beside pageviews: custom events, their properties, outbound clicks, and events by type."""

import json
from collections import Counter
from typing import Any

from rybbit import clock
from rybbit.stats.buckets import Bucket, find_timeline
from rybbit.stats.properties import read_properties
from rybbit.stats.question import Question
from rybbit.store.base import EventStore

_MOST_ROWS = 1000

_NAMES = """
select event_name, count(*) as times
from events
where {events} and type = 'custom_event' and event_name is not null
group by event_name
order by times desc, event_name
limit $limit
"""
_PROPERTIES = """
select properties, count(*)
from events
where {events} and type = 'custom_event' and event_name = $event_name and properties is not null
group by properties
"""
_OUTBOUND = """
select json_text(properties, 'url') as url, count(*) as times, epoch_ms(max(timestamp))
from events
where {matching} and type = 'outbound'
group by url
order by times desc, url
limit $limit
"""
_BUCKETED = """
select {bucket} as bucket, event_name, count(*)
from events
where {events} and type = 'custom_event' and event_name in (select unnest($names))
group by bucket, event_name
"""
_COUNTS = "select {bucket} as bucket, type, count(*) from events where {events} group by bucket, type"

TYPES = ("pageview", "custom_event", "performance", "outbound", "error")


def event_names(store: EventStore, question: Question, *, limit: int = _MOST_ROWS) -> list[dict[str, Any]]:
    """Rows of `eventName` and `count` of custom events, the most frequent first."""
    rows = question.ask(store, _NAMES, {"limit": limit})
    return [{"eventName": name, "count": int(count)} for name, count in rows]


def event_properties(store: EventStore, question: Question, event_name: str) -> list[dict[str, Any]]:
    """Rows of `propertyKey`, `propertyValue` and `count`, by key, the most frequent value first.

    Keys are those of the outermost object; values are texts, of what is no text as JSON.
    """
    counts: Counter[tuple[str, str]] = Counter()
    # JSON is read here, since engines write its numbers anew, each in its own way.
    for properties, times in question.ask(store, _PROPERTIES, {"event_name": event_name}):
        for key, value in _pairs(properties):
            counts[key, value] += int(times)
    rows = sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [
        {"propertyKey": key, "propertyValue": value, "count": count}
        for (key, value), count in rows[:_MOST_ROWS]
    ]


def _pairs(properties: str) -> list[tuple[str, str]]:
    return [
        (key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for key, value in read_properties(properties).items()
    ]


def outbound_clicks(store: EventStore, question: Question) -> list[dict[str, Any]]:
    """Rows of `url`, `count` and `lastClicked`, the most frequent first."""
    return [
        {"url": url, "count": int(count), "lastClicked": clock.to_iso(clock.from_ms(last))}
        for url, count, last in question.ask(store, _OUTBOUND, {"limit": _MOST_ROWS})
    ]


def events_bucketed(
    store: EventStore, question: Question, bucket: Bucket, *, limit: int
) -> list[dict[str, Any]]:
    """Rows of `time`, `event_name` and `event_count` of the most frequent names, where there are any.

    Raises:
        InvalidInput: there would be too many buckets.
    """
    timeline = find_timeline(store, question, bucket)
    names = [row["eventName"] for row in event_names(store, question, limit=limit)]
    found: dict[int, dict[str, int]] = {}
    for key, name, count in question.ask(store, _BUCKETED, {"names": names}, bucket=timeline.sql):
        found.setdefault(int(key), {})[name] = int(count)
    return [
        {"time": time, "event_name": name, "event_count": count}
        for time, counts in timeline.fill(found, {})
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def event_counts(store: EventStore, question: Question, bucket: Bucket) -> list[dict[str, Any]]:
    """Rows of `time`, `event_count`, and `TYPE_count` for each type of event.

    Raises:
        InvalidInput: there would be too many buckets.
    """
    timeline = find_timeline(store, question, bucket)
    found: dict[int, dict[str, int]] = {}
    for key, kind, count in question.ask(store, _COUNTS, bucket=timeline.sql):
        found.setdefault(int(key), {})[kind] = int(count)
    return [
        {
            "time": time,
            **{_count_name(kind): counts.get(kind, 0) for kind in TYPES},
            "event_count": sum(counts.values()),
        }
        for time, counts in timeline.fill(found, {})
    ]


def _count_name(kind: str) -> str:
    return f"{kind}_count"
