"""Questions whose answers come from kept visits, where a slip would hardly show in made-up traffic."""

import json

import pytest

from rybbit.stats.breakdown import breakdown
from rybbit.stats.buckets import Bucket
from rybbit.stats.dimensions import find_dimension
from rybbit.stats.overview import overview, overview_bucketed
from rybbit.stats.period import parse_period
from rybbit.stats.question import Question, parse_question
from rybbit.stats.sessions import session_page
from tests.store.kept_visits import refuse_to_give_up
from tests.store.parts import NOON_MS, Parts, line


@pytest.fixture(autouse=True)
def _no_help_from_events(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_give_up(monkeypatch)


def _asked(parts: Parts, **filters: str) -> Question:
    rows = [{"parameter": name, "type": "equals", "value": [value]} for name, value in filters.items()]
    return parse_question(parts.store, 1, {"filters": json.dumps(rows)})


@pytest.mark.parametrize("start", ["2010-11-06", "2010-03-01"])
def test_a_visit_over_a_midnight_that_comes_twice(keeper: Parts, start: str) -> None:
    # In St. John's, a minute after midnight, clocks went back to 23:01 of the day before.
    first = 1_289_096_400_000  # 2010-11-06 23:50
    moments = (first, first + 630_000, first + 40 * 60_000)  # then 00:00:30, then 23:30 of the day before
    keeper.move_line(*[line(n, session_id=1, user_hash=1, timestamp=at) for n, at in enumerate(moments, 1)])
    keeper.store.rewrite()
    period = {"start_date": start, "end_date": "2010-11-07", "time_zone": "America/St_Johns"}
    rows = overview_bucketed(keeper.store, Question(1, parse_period(period)), Bucket.DAY)
    assert [(row["time"][:10], row["sessions"], row["pageviews"]) for row in rows[-2:]] == [
        ("2010-11-06", 1, 2),
        ("2010-11-07", 1, 1),
    ]


def test_all_filters_hold_for_kept_visits(keeper: Parts) -> None:
    keeper.move_line(
        line(1, browser="a", country="x"),
        line(2, browser="a", country="y"),
        line(3, browser="b", country="x"),
    )
    keeper.store.rewrite()
    assert overview(keeper.store, _asked(keeper, browser="a", country="x")).sessions == 1


def test_a_filter_on_visitors_beside_one_on_origins_counts_only_its_events(keeper: Parts) -> None:
    visit = {"session_id": 1, "user_hash": 1, "channel": "x"}
    keeper.move_line(
        line(1, **visit, browser="a", pathname="/a"), line(2, **visit, browser="b", pathname="/b")
    )
    keeper.store.rewrite()
    found = breakdown(
        keeper.store, _asked(keeper, channel="x", browser="a"), find_dimension("pathname"), limit=9
    )
    assert [row["value"] for row in found.rows] == ["/a"]


def test_months_come_from_kept_visits(keeper: Parts) -> None:
    keeper.move_line(line(1), line(2))
    keeper.store.rewrite()
    question = _asked(keeper)
    period = parse_period({"start_date": "2026-03-01", "end_date": "2026-03-01", "time_zone": "UTC"})
    rows = overview_bucketed(keeper.store, question.over(period), Bucket.MONTH)
    assert [row["sessions"] for row in rows] == [2]


def test_pages_and_their_bounces_come_from_kept_visits(keeper: Parts) -> None:
    keeper.move_line(line(1, pathname="/a"))
    keeper.store.rewrite()
    found = breakdown(keeper.store, _asked(keeper), find_dimension("pathname"), limit=9)
    assert [(row["value"], row["bounce_rate"]) for row in found.rows] == [("/a", 100.0)]


def test_only_one_type_of_event_counts(keeper: Parts) -> None:
    visit = {"session_id": 1, "user_hash": 1, "browser": "a"}
    keeper.move_line(
        line(1, **visit), line(2, **visit, type="custom_event"), line(3, browser="b", type="custom_event")
    )
    keeper.store.rewrite()
    found = breakdown(keeper.store, _asked(keeper), find_dimension("browser"), limit=9, only="pageview")
    assert [row["value"] for row in found.rows] == ["a"]


def test_pages_outside_of_the_period_do_not_count_for_a_filter_on_origins(keeper: Parts) -> None:
    midnight = NOON_MS + 12 * 3_600_000
    visit = {"session_id": 1, "user_hash": 1, "channel": "x"}
    keeper.move_line(
        line(1, **visit, timestamp=midnight - 1, pathname="/a"),
        line(2, **visit, timestamp=midnight, pathname="/b"),
    )
    keeper.store.rewrite()
    question = _asked(keeper, channel="x").over(
        parse_period({"start_date": "2026-03-02", "time_zone": "UTC"})
    )
    found = breakdown(keeper.store, question, find_dimension("pathname"), limit=9)
    assert [row["value"] for row in found.rows] == ["/b"]


def test_visits_are_paged_by_their_end_the_later_id_first(keeper: Parts) -> None:
    # Of visits 1 and 2, which end at once, 2 comes first; visit 3 begins last of all and ends first.
    keeper.move_line(
        *[line(n, session_id=n, user_hash=n, timestamp=NOON_MS) for n in (1, 2)],
        *[line(n + 3, session_id=n, user_hash=n, timestamp=NOON_MS + 9_000) for n in (1, 2)],
        line(3, timestamp=NOON_MS + 1_000),
    )
    keeper.store.rewrite()
    pages = [session_page(keeper.store, _asked(keeper), limit=1, page=page) for page in (1, 2, 3)]
    assert [[row["session_id"] for row in rows] for rows in pages] == [["2"], ["1"], ["3"]]


def test_visits_chosen_by_a_page_are_listed_with_all_of_their_events(keeper: Parts) -> None:
    visit = {"session_id": 1, "user_hash": 1}
    keeper.move_line(
        line(1, **visit, pathname="/a"),
        line(2, **visit, pathname="/b", timestamp=NOON_MS + 1_000),
        line(3, **visit, pathname="/a", timestamp=NOON_MS + 3_000),
    )
    keeper.store.rewrite()
    (row,) = session_page(keeper.store, _asked(keeper, pathname="/b"), limit=9)
    assert (row["session_duration"], row["pageviews"]) == (3.0, 3)
