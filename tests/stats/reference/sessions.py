"""Visits one by one, and where they came from."""

import json
from collections.abc import Container, Mapping
from typing import Any

from tests.stats.reference.asked import Asked, Event, Events, Row, by_session, seconds_long, session_ids, text
from tests.stats.reference.dimensions import NUMBERS, entry_page, exit_page, shown_user
from tests.stats.reference.narrowing import narrow
from tests.stats.reference.traits import SIZES, counts, iso, numbers, traits

_TEXTS = (
    *("event_name", "properties", "hostname", "pathname", "querystring", "page_title", "referrer", "channel"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("language", "country", "region", "city", "timezone"),
)
_NUMBERS = (*NUMBERS, *SIZES, "lcp", "cls", "inp", "fcp", "ttfb")


def sessions(
    events: Events,
    asked: Asked,
    *,
    limit: int = 100,
    page: int = 1,
    user_id: str | None = None,
    identified_only: bool = False,
    least: Mapping[str, int] | None = None,
    among: Container[int] | None = None,
) -> list[Row]:
    """Rows of the visits that are found, the one that ended last first.

    Args:
        among: the only ones that are looked at, if given.
        least: how many of `pageviews`, `events` or seconds of `session_duration` a visit must have.
    """
    rows = []
    for visit in chosen_visits(events, asked):
        if among is not None and visit[0]["session_id"] not in among:
            continue
        row = session_row(visit)
        is_wanted = user_id in (None, row["user_id"]) and not (
            identified_only and not row["identified_user_id"]
        )
        if is_wanted and all(row[name] >= number for name, number in (least or {}).items()):
            rows.append((visit[-1]["timestamp"], visit[0]["session_id"], row))
    ordered = sorted(rows, key=lambda each: each[:2], reverse=True)
    return [row for _, _, row in ordered][(page - 1) * limit : page * limit]


def chosen_visits(events: Events, asked: Asked) -> list[list[Event]]:
    """The events of each visit that is found."""
    narrowed = narrow(events, asked)
    chosen = session_ids(narrowed.matching)
    return [visit for key, visit in by_session(narrowed.visiting).items() if key in chosen]


def session_row(visit: Events) -> Row:
    """A visit by its events, which are in their order."""
    return {
        "session_id": str(visit[0]["session_id"]),
        "session_start": iso(visit[0]["timestamp"]),
        "session_end": iso(visit[-1]["timestamp"]),
        "session_duration": seconds_long(visit),
        "entry_page": entry_page(visit),
        "exit_page": exit_page(visit),
        **counts(visit, pageviews="pageview", events="custom_event", errors="error"),
        **counts(visit, outbound="outbound", performance="performance"),
        **traits(visit),
    }


def session(
    events: Events, asked: Asked, session_id: int, *, limit: int = 100, offset: int = 0
) -> Row | None:
    """A visit of the site, whenever it was, with some of its events; None if there is none of that id."""
    visit = by_session(narrow(events, Asked(asked.site_id)).everything).get(session_id)
    if visit is None:
        return None
    shown = [{**shown_event(each), "props": properties_of(each)} for each in visit[offset : offset + limit]]
    return {"session": session_row(visit), "events": shown, "total": len(visit)}


def shown_event(event: Event) -> Row:
    """An event as the API shows it beside its visit."""
    return {
        "event_id": text(event, "event_id") or f"{event['id']:016x}",
        "timestamp": iso(event["timestamp"]),
        "type": event["type"],
        "session_id": str(event["session_id"]),
        "user_id": shown_user(event),
        "identified_user_id": text(event, "user_id"),
        **{name: text(event, name) for name in _TEXTS},
        "properties": text(event, "properties") or "{}",
        **numbers([event], *_NUMBERS),
    }


def properties_of(event: Event) -> dict[str, Any]:
    """The properties of an event; none if they are no object."""
    found = json.loads(text(event, "properties") or "{}")
    return found if isinstance(found, dict) else {}


def session_locations(events: Events, asked: Asked) -> list[Row]:
    """The number of visits from each place that has coordinates."""
    places: dict[tuple[Any, ...], set[int]] = {}
    for event in narrow(events, asked).matching:
        lat, lon = event.get("lat"), event.get("lon")
        if lat is not None and lon is not None:
            place = float(lat), float(lon), text(event, "city"), text(event, "country")
            places.setdefault(place, set()).add(event["session_id"])
    ordered = sorted(places.items(), key=lambda item: (-len(item[1]), item[0]))
    names = ("lat", "lon", "city", "country")
    return [{**dict(zip(names, place, strict=True)), "count": len(found)} for place, found in ordered]
