"""Visits by a dimension."""

from itertools import pairwise
from typing import Any

from tests.stats.reference.asked import (
    Asked,
    Event,
    Events,
    Row,
    bounce_rate,
    by_session,
    of_type,
    pageviews,
    session_ids,
    share,
)
from tests.stats.reference.dimensions import VISIT, VISITOR, event_value, first_text, visit_value
from tests.stats.reference.narrowing import Narrowed, narrow

_LONGEST_LOOK_S = 1800
_TOLD_WITH = {"pathname": ("title", "page_title"), "page_title": ("pathname", "pathname")}


def breakdown(events: Events, asked: Asked, parameter: str, *, limit: int = 100, page: int = 1) -> Row:
    """The rows of one page, and how many rows there are: `{"data": […], "totalCount": …}`."""
    narrowed = narrow(events, asked, event_level=parameter == "event_name")
    if parameter in VISIT:
        groups = _visits(narrowed, parameter)
    else:
        events_meant = narrowed.matching
        if parameter == "event_name":
            events_meant = of_type(events_meant, "custom_event")
        groups = _groups(events_meant, parameter)
    return _page(_rows(narrowed, groups, parameter), limit, page)


def page_titles(events: Events, asked: Asked, *, limit: int = 10, page: int = 1) -> Row:
    """The same by title, of pageviews alone."""
    narrowed = narrow(events, asked)
    groups = _groups(pageviews(narrowed.matching), "page_title")
    return _page(_rows(narrowed, groups, "page_title"), limit, page)


def _groups(events: Events, parameter: str) -> dict[Any, list[Event]]:
    """Events by value, less those that have none."""
    groups: dict[Any, list[Event]] = {}
    for event in events:
        value = event_value(event, parameter)
        if value not in (None, ""):
            groups.setdefault(value, []).append(event)
    return groups


def _visits(narrowed: Narrowed, parameter: str) -> dict[Any, list[Event]]:
    """Events by the value of the visit that they belong to."""
    visits = by_session(narrowed.everything)
    groups: dict[Any, list[Event]] = {}
    for event in narrowed.matching:
        if value := visit_value(visits[event["session_id"]], parameter):
            groups.setdefault(value, []).append(event)
    return groups


def _rows(narrowed: Narrowed, groups: dict[Any, list[Event]], parameter: str) -> list[Row]:
    rows = []
    for value, group in groups.items():
        chosen = session_ids(group)
        judged = _judged(narrowed.visiting, value, parameter)
        rows.append(
            {
                "value": value,
                "count": len(chosen),
                "pageviews": len(pageviews(group)),
                "bounce_rate": bounce_rate(
                    [each for key, each in by_session(judged).items() if key in chosen]
                ),
                **_details(narrowed.visiting, group, parameter),
            }
        )
    for figure, name in (("count", "percentage"), ("pageviews", "pageviews_percentage")):
        total = sum(row[figure] for row in rows)
        for row in rows:
            row[name] = share(row[figure], total)
    ordered = sorted(rows, key=lambda row: (-row["count"], row["value"]))
    return [row | {"value": str(row["value"])} for row in ordered]


def _judged(visiting: Events, value: Any, parameter: str) -> Events:
    """The events by which it is judged whether a visit of a row bounced."""
    if parameter not in VISITOR:
        return visiting
    return [event for event in visiting if event_value(event, parameter) == value]


def _details(visiting: Events, group: Events, parameter: str) -> Row:
    """How long a page was looked at, and what it is called beside its value."""
    if parameter not in _TOLD_WITH:
        return {}
    name, column = _TOLD_WITH[parameter]
    looks = [_look(visiting, event) for event in pageviews(group)]
    seconds = [each for each in looks if each is not None]
    return {
        "time_on_page_seconds": sum(seconds) / len(seconds) if seconds else None,
        name: first_text(group[::-1], column),
    }


def _look(visiting: Events, pageview: Event) -> float | None:
    """The seconds from a pageview to what the visit did next, if it did anything."""
    visit = [event for event in visiting if event["session_id"] == pageview["session_id"]]
    for event, following in pairwise(visit):
        if event["id"] == pageview["id"]:
            seconds: float = (following["timestamp"] - event["timestamp"]) / 1000
            return min(seconds, _LONGEST_LOOK_S)
    return None


def _page(rows: list[Row], limit: int, page: int) -> Row:
    return {"data": rows[(page - 1) * limit : page * limit], "totalCount": len(rows)}
