"""Every question, as a store is asked and as the reference counts it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from rybbit.stats import (
    breakdown,
    conversions,
    error_reports,
    event_reports,
    events,
    export,
    journeys,
    live,
    overview,
    retention,
    sessions,
    users,
    vitals,
)
from rybbit.stats.buckets import Bucket
from rybbit.stats.dimensions import find_dimension
from rybbit.stats.filters import parse_filters
from rybbit.stats.period import Period
from rybbit.stats.question import Question
from rybbit.store.base import EventStore
from tests.stats.reference import breakdown as counted_breakdown
from tests.stats.reference import conversions as counted_conversions
from tests.stats.reference import errors as counted_errors
from tests.stats.reference import event_reports as counted_reports
from tests.stats.reference import export as counted_export
from tests.stats.reference import overview as counted_overview
from tests.stats.reference import pools
from tests.stats.reference import retention as counted_retention
from tests.stats.reference import sessions as counted_sessions
from tests.stats.reference import users as counted_users
from tests.stats.reference import vitals as counted_vitals
from tests.stats.reference.asked import Asked, Events
from tests.stats.reference.asking import DIMENSIONS
from tests.stats.reference.buckets import LENGTHS
from tests.stats.reference.dimensions import VISIT

_SINCE_MS = 1_000_000_000_000
_LIVE_MINUTES = 24 * 60
# Minutes make too many rows to compare; they are what five of them are.
_LENGTHS = tuple(length for length in LENGTHS if length != "minute")


@dataclass(frozen=True)
class Pair:
    """One question, put to either side; both answers are what the API makes JSON of."""

    ask: Callable[[EventStore, Question], Any]
    count: Callable[[Events, Asked], Any]


def as_question(asked: Asked) -> Question:
    """What is asked, as the statistics of the server take it."""
    period = Period(asked.start_ms, asked.end_ms, ZoneInfo(asked.zone))
    return Question(asked.site_id, period, parse_filters(json.dumps(asked.filters)))


def _bucketed(ask: Callable[..., Any], count: Callable[..., Any], *given: Any, length: str) -> Pair:
    return Pair(
        lambda store, question: ask(store, question, *given, Bucket(length)),
        lambda events, asked: count(events, asked, *given, length),
    )


def _breakdown(parameter: str, *, limit: int = 100, page: int = 1) -> Pair:
    def ask(store: EventStore, question: Question) -> Any:
        dimension = find_dimension(parameter)
        found = breakdown.breakdown(store, question, dimension, limit=limit, page=page)
        return {"data": found.rows, "totalCount": found.total}

    return Pair(
        ask,
        lambda events, asked: counted_breakdown.breakdown(events, asked, parameter, limit=limit, page=page),
    )


def _titles(store: EventStore, question: Question) -> Any:
    found = breakdown.breakdown(store, question, find_dimension("page_title"), limit=10, only="pageview")
    return {"data": found.rows, "totalCount": found.total}


def _sessions(*, limit: int = 100, page: int = 1, **wanted: Any) -> Pair:
    least = {"min_pageviews": "pageviews", "min_events": "events", "min_duration": "session_duration"}
    named = {name: value for name, value in wanted.items() if name not in least}
    named["least"] = {figure: wanted[name] for name, figure in least.items() if name in wanted}
    return Pair(
        lambda store, question: sessions.session_page(
            store, question, limit=limit, page=page, wanted=sessions.Wanted(**wanted)
        ),
        lambda events, asked: counted_sessions.sessions(events, asked, limit=limit, page=page, **named),
    )


def _event_pages(store: EventStore, question: Question) -> Any:
    """The first pages of two events and more, each from where the one before says."""
    pages: list[Any] = []
    before: int | None = None
    while len(pages) < 3 and (not pages or pages[-1]["events"]):
        page = events.event_page(store, question, page_size=2, before_ms=before, since_ms=_SINCE_MS)
        pages.append(asdict(page))
        before = page.oldest_ms
    return pages


def _exported(store: EventStore, question: Question) -> Any:
    stream = export.export_events(store, question, export.Form.JSONL)
    rows = [json.loads(line) for line in b"".join(stream).splitlines()]
    return sorted(rows, key=lambda row: str(row["event_id"]))


def _single_sessions(store: EventStore, question: Question) -> Any:
    """The second and third event of each of some visits."""
    rows = sessions.session_page(store, question, limit=3)
    found = [
        sessions.find_session(store, question, int(row["session_id"]), limit=2, offset=1) for row in rows
    ]
    return [each and {"session": each.session, "events": each.events, "total": each.total} for each in found]


def _counted_single_sessions(events: Events, asked: Asked) -> Any:
    rows = counted_sessions.sessions(events, asked, limit=3)
    return [
        counted_sessions.session(events, asked, int(row["session_id"]), limit=2, offset=1) for row in rows
    ]


def _users(**wanted: Any) -> Pair:
    wanted = {"limit": 100, **wanted}

    def ask(store: EventStore, question: Question) -> Any:
        found = users.user_page(store, question, **wanted)
        rows = [{name: value for name, value in row.items() if name != "traits"} for row in found.rows]
        return {"data": rows, "totalCount": found.total}

    return Pair(ask, lambda events, asked: counted_users.users(events, asked, **wanted))


def _user(user_id: str) -> Pair:
    def ask(store: EventStore, question: Question) -> Any:
        found = users.find_user(store, question, user_id)
        return found and {
            key: value for key, value in found.items() if key not in ("traits", "linked_devices")
        }

    return Pair(ask, lambda events, asked: counted_users.user(events, asked, user_id))


def _session_counts(user_id: str) -> Pair:
    return Pair(
        lambda store, question: users.session_counts(store, question, user_id),
        lambda events, asked: counted_users.session_counts(events, asked, user_id),
    )


def _simple(ask: Callable[..., Any], count: Callable[..., Any], *given: Any, **named: Any) -> Pair:
    return Pair(
        lambda store, question: ask(store, question, *given, **named),
        lambda events, asked: count(events, asked, *given, **named),
    )


def _page(ask: Callable[..., Any], count: Callable[..., Any], *given: Any, **named: Any) -> Pair:
    def asked(store: EventStore, question: Question) -> Any:
        found = ask(store, question, *given, **named)
        return {"data": found.rows, "totalCount": found.total}

    return Pair(asked, lambda events, asked: count(events, asked, *given, **named))


def _vitals_by(parameter: str, **named: Any) -> Pair:
    named = {"limit": 100, **named}

    def ask(store: EventStore, question: Question) -> Any:
        found = vitals.vitals_by(store, question, find_dimension(parameter), **named)
        return {"data": found.rows, "totalCount": found.total}

    return Pair(ask, lambda events, asked: counted_vitals.vitals_by(events, asked, parameter, **named))


def _retention(mode: str) -> Pair:
    return Pair(
        lambda store, question: retention.retention(store, question, retention.Mode(mode)),
        lambda events, asked: counted_retention.retention(events, asked, mode),
    )


_STEPS: tuple[Mapping[str, Any], ...] = (
    {"type": "page", "value": "/"},
    {"type": "page", "value": "/a*"},
    {"type": "page", "value": "/**", "name": "Any page"},
    {"type": "page", "value": "**", "hostname": "example.com"},
    {"type": "page", "value": "/*", "properties": {"id": "1"}},
    {"type": "page", "value": "/**", "properties": {"id": 10, "q": ""}},
    {"type": "event", "value": "signup"},
    {"type": "event", "value": pools.HOSTILE[0], "properties": {"plan": "pro"}},
    {"type": "event", "value": "buy", "properties": {"seats": 3}},
    {"type": "event", "value": "buy", "properties": {"new": True, "seats": 3.5}},
    {"type": "page", "value": "/**", "properties": {"utm_source": "google", "id": "1"}},
    {"type": "page", "value": "/**", "properties": {"utm_source": "letter"}},
)


def _as_step(step: Mapping[str, Any]) -> conversions.Step:
    return conversions.Step(
        **{
            **{name: step[name] for name in step if name != "type"},
            "kind": conversions.StepKind(step["type"]),
        }
    )


def _goals(store: EventStore, question: Question) -> Any:
    found = conversions.conversions(store, question, [_as_step(step) for step in _STEPS])
    return {"converted": found.converted, "visits": found.visits}


def _counted_goals(events: Events, asked: Asked) -> Any:
    rows = [counted_conversions.goal(events, asked, step) for step in _STEPS]
    return {"converted": [row["total_conversions"] for row in rows], "visits": rows[0]["total_sessions"]}


def _funnel(*places: int) -> Pair:
    steps = [_STEPS[place] for place in places]
    return Pair(
        lambda store, question: conversions.funnel(store, question, [_as_step(step) for step in steps]),
        lambda events, asked: counted_conversions.funnel(events, asked, steps),
    )


def _goal_sessions(place: int) -> Pair:
    return Pair(
        lambda store, question: conversions.converted_sessions(
            store, question, _as_step(_STEPS[place]), limit=3
        ),
        lambda events, asked: counted_conversions.converted_sessions(events, asked, _STEPS[place], limit=3),
    )


def _funnel_sessions(number: int, *places: int, dropped: bool = False) -> Pair:
    steps = [_STEPS[place] for place in places]
    return Pair(
        lambda store, question: conversions.funnel_sessions(
            store, question, [_as_step(step) for step in steps], number, dropped=dropped, limit=3
        ),
        lambda events, asked: counted_conversions.funnel_sessions(
            events, asked, steps, number, dropped=dropped, limit=3
        ),
    )


_VISITOR_DIMENSIONS = [name for name in DIMENSIONS if name not in VISIT]
_NAMED, _NAMELESS = "anna", f"{7:016x}"

QUESTIONS: dict[str, Pair] = {
    "overview": Pair(lambda *asked: asdict(overview.overview(*asked)), counted_overview.overview),
    **{
        f"overview by {length}": _bucketed(
            overview.overview_bucketed, counted_overview.overview_bucketed, length=length
        )
        for length in _LENGTHS
    },
    **{f"breakdown by {parameter}": _breakdown(parameter) for parameter in DIMENSIONS},
    "the second page of paths": _breakdown("pathname", limit=3, page=2),
    "page titles": Pair(_titles, counted_breakdown.page_titles),
    "sessions": _sessions(),
    "the second page of sessions": _sessions(limit=2, page=2),
    "sessions of one": _sessions(user_id=_NAMELESS),
    "sessions of the named": _sessions(identified_only=True),
    "sessions of some length": _sessions(min_pageviews=1, min_events=1, min_duration=60),
    "single sessions": Pair(_single_sessions, _counted_single_sessions),
    "places": _simple(sessions.session_locations, counted_sessions.session_locations),
    **{
        f"users by {name} {'down' if descending else 'up'}": _users(sort_by=name, descending=descending)
        for name in ("last_seen", "first_seen", "sessions", "pageviews", "events")
        for descending in (True, False)
    },
    "the second page of users": _users(limit=2, page=2),
    "users who are named": _users(identified_only=True),
    "users with a name like another": _users(search="aNN"),
    **{f"user {name}": _user(name) for name in (_NAMED, _NAMELESS, pools.HOSTILE[0])},
    **{f"session counts of {name}": _session_counts(name) for name in (_NAMED, _NAMELESS)},
    "single events": Pair(
        _event_pages,
        lambda events, asked: counted_reports.event_pages(
            events, asked, page_size=2, most=3, since_ms=_SINCE_MS
        ),
    ),
    "exported events": Pair(_exported, counted_export.exported),
    "visits of the last day": Pair(
        lambda store, question: live.live_user_count(store, question.site_id, minutes=_LIVE_MINUTES),
        lambda events, asked: counted_reports.live_user_count(events, asked, minutes=_LIVE_MINUTES),
    ),
    "whether there is anything": Pair(
        lambda store, question: live.has_data(store, question.site_id), counted_reports.has_data
    ),
    "how many events": _simple(events.count_events, counted_reports.count_events),
    "event names": _simple(event_reports.event_names, counted_reports.event_names),
    **{
        f"properties of {name[:20]!r}": _simple(
            event_reports.event_properties, counted_reports.event_properties, name
        )
        for name in ("signup", "buy", pools.HOSTILE[0])
    },
    "outbound": _simple(event_reports.outbound_clicks, counted_reports.outbound_clicks),
    **{
        f"events by {length}": Pair(
            lambda store, question, length=length: event_reports.events_bucketed(
                store, question, Bucket(length), limit=3
            ),
            lambda events, asked, length=length: counted_reports.events_bucketed(
                events, asked, length, limit=3
            ),
        )
        for length in ("fifteen_minutes", "hour", "week")
    },
    "event counts by hour": _bucketed(
        event_reports.event_counts, counted_reports.event_counts, length="hour"
    ),
    "event counts by day": _bucketed(event_reports.event_counts, counted_reports.event_counts, length="day"),
    **{f"retention by {mode}": _retention(mode) for mode in ("day", "week")},
    **{
        f"journeys of {steps}": _simple(
            journeys.journeys, counted_conversions.journeys, steps=steps, limit=20
        )
        for steps in (2, 3, 10)
    },
    "journeys by way of a page": _simple(
        journeys.journeys,
        counted_conversions.journeys,
        steps=3,
        limit=20,
        step_patterns={0: "/*", 2: "**"},
    ),
    "goals": Pair(_goals, _counted_goals),
    "sessions of a goal": _goal_sessions(1),
    "sessions at a step": _funnel_sessions(2, 2, 2),
    "sessions that went no further": _funnel_sessions(1, 2, 6, 2, dropped=True),
    "funnel of pages": _funnel(0, 1, 2),
    "funnel of the same": _funnel(2, 2, 2, 2),
    "funnel to an event": _funnel(2, 6, 2),
    "funnel of properties": _funnel(3, 5, 8),
    "vitals": _simple(vitals.vitals, counted_vitals.vitals),
    "vitals by hour": _bucketed(vitals.vitals_bucketed, counted_vitals.vitals_bucketed, length="hour"),
    "vitals by week": _bucketed(vitals.vitals_bucketed, counted_vitals.vitals_bucketed, length="week"),
    **{f"vitals by {name}": _vitals_by(name) for name in ("pathname", "country", "device_type", "lat")},
    "vitals from the slowest": _vitals_by("browser", sort_by="lcp_p75"),
    "vitals from the fastest": _vitals_by("pathname", sort_by="cls_avg", descending=False, limit=2, page=2),
    "errors": _page(error_reports.error_names, counted_errors.error_names, limit=10),
    "the second page of errors": _page(
        error_reports.error_names, counted_errors.error_names, limit=2, page=2
    ),
    "single errors": _page(
        error_reports.error_events, counted_errors.error_events, "x is undefined", limit=3
    ),
    "errors by hour": _bucketed(
        error_reports.errors_bucketed, counted_errors.errors_bucketed, "x is undefined", length="hour"
    ),
}
"""By name; the answers of each pair are to be the same."""
