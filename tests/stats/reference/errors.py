"""What went wrong in browsers."""

from tests.stats.reference.asked import Asked, Event, Events, Row, of_type, session_ids, share, text
from tests.stats.reference.buckets import buckets, by_bucket
from tests.stats.reference.narrowing import narrow
from tests.stats.reference.sessions import properties_of, shown_event

_DETAILS = ("message", "stack", "fileName", "lineNumber", "columnNumber")


def _errors(events: Events, asked: Asked) -> list[Event]:
    return of_type(narrow(events, asked).matching, "error")


def message_of(event: Event) -> str:
    """What an error says."""
    return str(properties_of(event).get("message", ""))


def error_names(events: Events, asked: Asked, *, limit: int = 10, page: int = 1) -> Row:
    """Errors by message: `{"data": […], "totalCount": …}`."""
    groups: dict[str, list[Event]] = {}
    for event in _errors(events, asked):
        if message_of(event):
            groups.setdefault(message_of(event), []).append(event)
    visits = sum(len(session_ids(group)) for group in groups.values())
    rows: list[Row] = [
        {
            "value": message,
            "errorName": max(text(event, "event_name") for event in group),
            "count": len(group),
            "sessionCount": len(session_ids(group)),
            "percentage": share(len(session_ids(group)), visits),
        }
        for message, group in groups.items()
    ]
    rows.sort(key=lambda row: (-row["count"], row["value"]))
    return {"data": rows[(page - 1) * limit : page * limit], "totalCount": len(rows)}


def error_events(events: Events, asked: Asked, message: str, *, limit: int = 20, page: int = 1) -> Row:
    """The errors of one message, the newest first."""
    found = [event for event in _errors(events, asked) if message_of(event) == message][::-1]
    rows = [_shown(event) for event in found[(page - 1) * limit : page * limit]]
    return {"data": rows, "totalCount": len(found)}


def _shown(event: Event) -> Row:
    shown = shown_event(event)
    details = properties_of(event)
    return {**shown, **{name: details.get(name) for name in _DETAILS}, "errorName": shown["event_name"]}


def errors_bucketed(events: Events, asked: Asked, message: str, length: str) -> list[Row]:
    """How often one message came in each bucket."""
    matching = narrow(events, asked).matching
    found = [event for event in of_type(matching, "error") if message_of(event) == message]
    lots = by_bucket(found, asked.zone, length)
    return [
        {"time": bucket.name, "error_count": len(lots.get(bucket, []))}
        for bucket in buckets(asked, length, matching)
    ]
