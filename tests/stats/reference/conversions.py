"""Paths through a site, goals and funnels."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from tests.stats.reference.asked import Asked, Event, Events, Row, by_session, pageviews, ratio, share, text
from tests.stats.reference.dimensions import url_parameters
from tests.stats.reference.narrowing import narrow
from tests.stats.reference.sessions import sessions

Step = Mapping[str, Any]
"""As the API has it: `type` (page or event), `value`, maybe `name`, `hostname` and `properties`."""


def journeys(
    events: Events,
    asked: Asked,
    *,
    steps: int,
    limit: int = 100,
    step_patterns: Mapping[int, str] | None = None,
) -> list[Row]:
    """How often each way through the site was taken, of those whose pages fit the patterns by their place."""
    visits = by_session(narrow(events, asked).matching)
    paths: Counter[tuple[str, ...]] = Counter()
    for visit in visits.values():
        path = [name for name, _ in groupby(text(event, "pathname") for event in pageviews(visit))]
        wanted = (step_patterns or {}).items()
        if len(path) >= 2 and all(len(path) > at and fits_path(path[at], pattern) for at, pattern in wanted):
            paths[tuple(path[:steps])] += 1
    ordered = sorted(paths.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"path": list(path), "count": count, "percentage": share(count, len(visits))}
        for path, count in ordered[:limit]
    ]


def goal(events: Events, asked: Asked, step: Step) -> Row:
    """How many visits converted, of how many, and their quotient."""
    visits = by_session(narrow(events, asked).matching).values()
    converted = sum(any(fits_step(event, step) for event in visit) for visit in visits)
    return {
        "total_conversions": converted,
        "total_sessions": len(visits),
        "conversion_rate": ratio(converted, len(visits)),
    }


def converted_sessions(events: Events, asked: Asked, step: Step, *, limit: int, page: int = 1) -> list[Row]:
    """The visits that converted."""
    matching = narrow(events, asked).matching
    converted = {event["session_id"] for event in matching if fits_step(event, step)}
    return sessions(events, asked, among=converted, limit=limit, page=page)


def funnel_sessions(
    events: Events, asked: Asked, steps: Sequence[Step], number: int, *, dropped: bool, limit: int
) -> list[Row]:
    """The visits that came to a step (from 1), or, but for the last one, to it and not to the next."""
    visits = by_session(narrow(events, asked).matching)
    done = {session_id: _steps_done(visit, steps) for session_id, visit in visits.items()}
    if dropped:
        chosen = {each for each, place in done.items() if place == number < len(steps)}
    else:
        chosen = {each for each, place in done.items() if place >= number}
    return sessions(events, asked, among=chosen, limit=limit)


def funnel(events: Events, asked: Asked, steps: Sequence[Step]) -> list[Row]:
    """How many visits came to each step."""
    visits = by_session(narrow(events, asked).matching).values()
    reached = [_steps_done(visit, steps) for visit in visits]
    visitors = [sum(done > place for done in reached) for place in range(len(steps))]
    return [
        {
            "step_number": place + 1,
            "step_name": step.get("name") or step["value"],
            "visitors": visitors[place],
            "conversion_rate": round(share(visitors[place], visitors[0]), 2),
            "dropoff_rate": _dropoff(visitors, place),
        }
        for place, step in enumerate(steps)
    ]


def _dropoff(visitors: Sequence[int], place: int) -> float:
    if not place or not visitors[place - 1]:
        return 0.0
    return round(share(visitors[place - 1] - visitors[place], visitors[place - 1]), 2)


def _steps_done(visit: Events, steps: Sequence[Step]) -> int:
    done = 0
    for event in visit:
        if done < len(steps) and fits_step(event, steps[done]):
            done += 1
    return done


def fits_step(event: Event, step: Step) -> bool:
    """Whether an event is what a step or a goal asks for."""
    if step.get("hostname") and text(event, "hostname") != step["hostname"]:
        return False
    if step["type"] == "page":
        if event["type"] != "pageview" or not fits_path(text(event, "pathname"), step["value"]):
            return False
    elif event["type"] != "custom_event" or text(event, "event_name") != step["value"]:
        return False
    is_page = step["type"] == "page"
    found = url_parameters(event) if is_page else json.loads(text(event, "properties") or "{}")
    wanted = step.get("properties", {})
    return all(isinstance(found, dict) and key in found and _is(found[key], wanted[key]) for key in wanted)


def _is(value: object, wanted: str | float | bool) -> bool:
    shown = value if isinstance(value, str) else json.dumps(value)
    if isinstance(wanted, bool):
        return shown == str(wanted).lower()
    if isinstance(wanted, str):
        return shown == wanted
    try:
        return float(shown) == wanted
    except ValueError:
        return False


def fits_path(path: str, pattern: str) -> bool:
    """Whether a path is like a pattern: `*` stands for some of a segment, `**` for anything."""
    words = {"*": "[^/]+", "**": ".*"}
    parts = [words.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", pattern)]
    return re.fullmatch("".join(parts), path, re.DOTALL) is not None
