"""Which events a question is about: by period, by visit and visitor, by page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.stats.reference.asked import Asked, Event, Events, by_session, within
from tests.stats.reference.dimensions import VISIT, event_value, is_page, visit_value

_LEADING_NUMBER = re.compile(r"^-?[0-9]{1,15}([.][0-9]{1,15})?")


@dataclass(frozen=True)
class Narrowed:
    """The events of site and period; those that make up visits; those that were asked for.

    All are in the order in which they happened; each holds the next.
    """

    everything: list[Event]
    visiting: list[Event]
    matching: list[Event]


def narrow(events: Events, asked: Asked, *, event_level: bool = False) -> Narrowed:
    """Apply period and filters.

    Args:
        event_level: the question is about events themselves, so that a filter of their name keeps events
            and not visits.
    """
    everything = within(events, asked)
    visiting = matching = everything
    for each in asked.filters:
        name = each["parameter"]
        if is_page(name) or (name == "event_name" and event_level):
            matching = [event for event in matching if fits(each, event_value(event, name))]
        elif name == "event_name" or name in VISIT:
            chosen = _chosen_visits(everything, each)
            visiting = [event for event in visiting if event["session_id"] in chosen]
        else:
            visiting = [event for event in visiting if fits(each, event_value(event, name))]
    kept = {event["id"] for event in visiting}
    return Narrowed(everything, visiting, [event for event in matching if event["id"] in kept])


def _chosen_visits(everything: Events, asked: Mapping[str, Any]) -> set[int]:
    """The sessions that a filter of visits keeps."""
    name = asked["parameter"]
    chosen = set()
    for session_id, visit in by_session(everything).items():
        if name == "event_name":
            has_one = any(_is_like(asked, event_value(event, name)) for event in visit)
        else:
            has_one = _is_like(asked, visit_value(visit, name))
        if has_one != _is_negative(asked):
            chosen.add(session_id)
    return chosen


def fits(asked: Mapping[str, Any], value: str | float | None) -> bool:
    """Whether a filter keeps what has this value."""
    return _is_like(asked, value) != _is_negative(asked)


def _is_negative(asked: Mapping[str, Any]) -> bool:
    return str(asked["type"]).startswith("not_")


def _is_like(asked: Mapping[str, Any], value: str | float | None) -> bool:
    """Whether a value is like one of those a filter names, leaving `not_` aside."""
    kind = asked["type"].removeprefix("not_")
    return any(_is_alike(kind, value, wanted) for wanted in asked["value"])


def _is_alike(kind: str, value: str | float | None, wanted: str | float) -> bool:
    if kind in ("greater_than", "less_than"):
        number = _number(value)
        if number is None:
            return False
        return number > float(wanted) if kind == "greater_than" else number < float(wanted)
    if not isinstance(value, str):
        return value is not None and value == float(wanted)
    if kind == "equals":
        return value == str(wanted)
    if kind == "contains":
        return str(wanted) in value
    return _pattern(str(wanted)).search(value) is not None


def _number(value: str | float | None) -> float | None:
    """The number that a text begins with, or that the value is."""
    if not isinstance(value, str):
        return value
    found = _LEADING_NUMBER.match(value)
    return float(found[0]) if found else None


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern as RE2 reads it: classes are of ASCII, `$` is the very end."""
    if text.endswith("$") and not text.endswith("\\$"):
        text = text[:-1] + r"\Z"
    return re.compile(text, re.ASCII)
