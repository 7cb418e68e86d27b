"""Errors that happened in visitors' browsers: by message, one by one, and in the course of time."""

from dataclasses import replace
from typing import Any

from rybbit.stats.buckets import Bucket, find_timeline
from rybbit.stats.events import SELECTED_SQL, read_event
from rybbit.stats.page import Page
from rybbit.stats.properties import read_properties
from rybbit.stats.question import Question
from rybbit.store.base import EventStore

_MESSAGE = "json_text(properties, 'message')"
_NAMES = f"""
select
  message,
  name,
  times,
  visits,
  sum(visits) over () as all_visits,
  count(*) over () as total
from (
  select
    {_MESSAGE} as message,
    coalesce(max(event_name), '') as name,
    count(*) as times,
    count(distinct session_id) as visits
  from events
  where {{matching}} and type = 'error'
  group by message
) as found
where message <> ''
order by times desc, message
limit $limit offset $offset
"""
_IS_IT = f"{{matching}} and type = 'error' and {_MESSAGE} = $message"
_EVENTS = f"""
select {SELECTED_SQL} from events where {_IS_IT} order by timestamp desc, id desc limit $limit offset $offset
"""
_COUNT = f"select count(*) from events where {_IS_IT}"
_BUCKETED = f"select {{bucket}} as bucket, count(*) from events where {_IS_IT} group by bucket"

# The name of each in the properties; the web SDK has others than the contract.
_DETAILS = {
    "message": ("message",),
    "stack": ("stack",),
    "fileName": ("fileName", "filename"),
    "lineNumber": ("lineNumber", "line_number"),
    "columnNumber": ("columnNumber", "column_number"),
}


def error_names(store: EventStore, question: Question, *, limit: int, page: int = 1) -> Page:
    """Rows of `value` (the message), `errorName`, `count`, `sessionCount` and `percentage`, the most first.

    The percentage is of the sum of `sessionCount` over all messages.
    """
    rows = question.ask(store, _NAMES, {"limit": limit, "offset": limit * (page - 1)})
    shown = [
        {
            "value": message,
            "errorName": name,
            "count": int(count),
            "sessionCount": int(visits),
            "percentage": 100 * int(visits) / int(every),
        }
        for message, name, count, visits, every, _ in rows
    ]
    if rows or page == 1:
        return Page(shown, int(rows[0][-1]) if rows else 0)
    # Beyond the last page there is no row that could tell.
    return replace(error_names(store, question, limit=1), rows=[])


def error_events(store: EventStore, question: Question, message: str, *, limit: int, page: int = 1) -> Page:
    """Errors of a message, the newest first, as `events.py` shows events, with where in the code it was."""
    values = {"message": message, "limit": limit, "offset": limit * (page - 1)}
    rows = [_with_details(read_event(row)) for row in question.ask(store, _EVENTS, values)]
    return Page(rows, int(question.ask(store, _COUNT, values)[0][0]))


def _with_details(event: dict[str, Any]) -> dict[str, Any]:
    properties = read_properties(event["properties"])
    details = {name: _first(properties, names) for name, names in _DETAILS.items()}
    return {**event, **details, "errorName": event["event_name"]}


def _first(properties: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((properties[name] for name in names if properties.get(name) is not None), None)


def errors_bucketed(
    store: EventStore, question: Question, message: str, bucket: Bucket
) -> list[dict[str, Any]]:
    """Rows of `time` and `error_count` of a message.

    Raises:
        InvalidInput: there would be too many buckets.
    """
    timeline = find_timeline(store, question, bucket)
    rows = question.ask(store, _BUCKETED, {"message": message}, bucket=timeline.sql)
    counts = {int(key): int(count) for key, count in rows}
    return [{"time": time, "error_count": count} for time, count in timeline.fill(counts, 0)]
