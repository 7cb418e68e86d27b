"""What made-up traffic meets too seldom: values at a bound, events ahead of the clock, halves of visits."""

from collections.abc import Callable
from typing import Any

import pytest

from rybbit.stats import breakdown, event_reports, journeys, overview, sessions
from rybbit.stats.buckets import Bucket
from rybbit.stats.dimensions import find_dimension
from rybbit.stats.question import Question
from rybbit.store.base import EventStore
from tests.stats.hand_made import HOUR, MINUTE, NOON, asking, event
from tests.stats.questions import as_question
from tests.stats.reference.asked import Event
from tests.stats.reference.traffic import as_line
from tests.store.conftest import Clocks, on_both_engines
from tests.store.parts import Parts

pytestmark = on_both_engines

Filter = tuple[str, str, Any]


@pytest.fixture
def ask(parts: Parts, clocks: Clocks) -> Callable[..., tuple[EventStore, Question]]:
    """Puts events into a store at noon; answers it, and a question with filters."""
    clocks.now_ms = NOON

    def fill(events: list[Event], *filters: Filter, **changes: Any) -> tuple[EventStore, Question]:
        parts.store_line(*(as_line(each) for each in events))
        return parts.store, as_question(asking(*filters, **changes))

    return fill


@pytest.mark.parametrize(
    ("kind", "bound", "found"),
    [
        ("less_than", 2, [1]),
        ("less_than", 3, [1, 2]),
        ("greater_than", 2, [3]),
        ("greater_than", 1, [2, 3]),
        ("equals", 2, [2]),
    ],
)
@pytest.mark.parametrize("name", ["lat", "browser_version"])
def test_numbers_at_a_bound(
    ask: Callable[..., tuple[EventStore, Question]], name: str, kind: str, bound: int, found: list[int]
) -> None:
    events = [
        event(number, number, lat=number, browser_version=f"{number}.0" if number != 2 else "2")
        for number in (1, 2, 3)
    ]
    if name == "browser_version" and kind == "equals":
        bound = 2
    store, question = ask(events, (name, kind, bound))
    rows = sessions.session_page(store, question, limit=9)
    assert sorted(int(row["session_id"]) for row in rows) == found


@pytest.mark.parametrize(
    ("user", "found"),
    [
        *(("ffffffffffffffff", [1, 2]), ("0000000000000003", [3]), ("ann", [4])),
        *(("FFFFFFFFFFFFFFFF", []), ("0000000000000004", []), ("", [])),
    ],
)
def test_users_go_by_their_name_or_by_their_number_in_digits(
    ask: Callable[..., tuple[EventStore, Question]], user: str, found: list[int]
) -> None:
    events = [
        event(1, 1, user_hash=-1),
        event(2, 2, user_hash=2, user_id="ffffffffffffffff"),
        event(3, 3),
        event(4, 4, user_id="ann"),
    ]
    for kind, wanted in (("equals", set(found)), ("not_equals", {1, 2, 3, 4} - set(found))):
        store, question = ask([] if kind == "not_equals" else events, ("user_id", kind, user))
        rows = sessions.session_page(store, question, limit=9)
        assert {int(row["session_id"]) for row in rows} == wanted


def test_a_name_chooses_visits_but_for_questions_about_events(
    ask: Callable[..., tuple[EventStore, Question]],
) -> None:
    events = [
        event(number, 1, type="custom_event", event_name=name, properties='{"n":1}')
        for number, name in enumerate(("a", "b", "b"), start=1)
    ]
    store, question = ask(events, ("event_name", "equals", "a"))
    assert event_reports.event_names(store, question) == [{"eventName": "a", "count": 1}]
    assert event_reports.event_properties(store, question, "b") == []
    (bucket,) = event_reports.event_counts(store, question, Bucket.YEAR)
    assert bucket["event_count"] == 1
    rows = event_reports.events_bucketed(store, question, Bucket.YEAR, limit=5)
    assert [(row["event_name"], row["event_count"]) for row in rows] == [("a", 1)]
    assert sessions.session_page(store, question, limit=9)[0]["events"] == 3


def test_where_a_visit_came_from_is_seen_by_all_of_it(
    ask: Callable[..., tuple[EventStore, Question]],
) -> None:
    events = [
        event(1, 1, browser="Chrome", utm_source="letter", channel="Email", pathname="/"),
        event(2, 1, after=MINUTE, browser="Firefox", channel="Direct", pathname="/a"),
    ]
    store, question = ask(events, ("browser", "equals", "Firefox"))
    for name, value in (("utm_source", "letter"), ("channel", "Email"), ("entry_page", "/")):
        found = breakdown.breakdown(store, question, find_dimension(name), limit=9)
        assert [(row["value"], row["count"], row["pageviews"]) for row in found.rows] == [(value, 1, 1)]


@pytest.mark.parametrize(("seconds", "found"), [(60, 1), (61, 0), (0, 1)])
def test_visits_of_just_that_length(
    ask: Callable[..., tuple[EventStore, Question]], seconds: int, found: int
) -> None:
    store, question = ask([event(1), event(2, after=MINUTE)])
    wanted = sessions.Wanted(min_duration=seconds)
    assert len(sessions.session_page(store, question, limit=9, wanted=wanted)) == found


def test_events_ahead_of_the_clock_have_a_bucket(
    ask: Callable[..., tuple[EventStore, Question]],
) -> None:
    events = [event(1), event(2, 2, after=3 * MINUTE)]
    store, question = ask(events, start_ms=NOON - MINUTE, end_ms=NOON + HOUR)
    rows = overview.overview_bucketed(store, question, Bucket.MINUTE)
    assert [(row["time"][11:16], row["sessions"]) for row in rows] == [
        ("11:59", 0),
        ("12:00", 1),
        ("12:03", 1),
    ]


def test_clocks_that_change_twice_in_few_weeks(
    ask: Callable[..., tuple[EventStore, Question]], clocks: Clocks
) -> None:
    # From 15 February to 22 March it is an hour earlier in Morocco.
    weeks = [event(number, number, after=number * 168 * HOUR) for number in (-3, -1, 4)]
    store, question = ask(weeks, zone="Africa/Casablanca")
    clocks.now_ms = NOON + 35 * 24 * HOUR
    rows = overview.overview_bucketed(store, question, Bucket.HOUR)
    hours = [row["time"] for row in rows if row["sessions"]]
    assert hours == ["2026-02-08 13:00:00", "2026-02-22 12:00:00", "2026-03-29 13:00:00"]


def test_a_step_that_was_not_taken_fits_nothing(ask: Callable[..., tuple[EventStore, Question]]) -> None:
    views = [
        event(number, 1, after=number, pathname=path) for number, path in enumerate(("/", "/a"), start=1)
    ]
    store, question = ask(views)
    assert journeys.journeys(store, question, steps=3, limit=9, step_patterns={2: "**"}) == []
    assert len(journeys.journeys(store, question, steps=3, limit=9, step_patterns={1: "**"})) == 1
