"""What a question is asked with changes its answer: no parameter is taken and passed over."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from rybbit import clock
from rybbit.stats import breakdown
from tests.web.statistics import BOBS_VISIT, VISITS, asked, call, done, fill, filters, picked
from tests.web.world import Tenant, World

MARCH = "start_date=2026-03-01&end_date=2026-03-02"
FIRST_OF_MARCH = "2026-03-01 00:00:00"
MESSAGE = "error_message=y+is+too+long"
TOO_LONG = f"error-events?{MESSAGE}"
BY_COUNTRY = "performance/by-dimension?dimension=country"
GOALS = "goals?sort=goalId&order=asc"
BRITISH_ONLY = filters(("country", "equals", "GB"))

# A question, the fields that are looked at, and their rows, which would be others without its parameters.
QUESTIONS: list[tuple[str, Sequence[str], list[tuple[Any, ...]]]] = [
    ("page-titles?limit=1", ["value"], [("Home",)]),
    ("page-titles?limit=1&page=2", ["value"], [("Pricing",)]),
    ("error-names", ["value", "count"], [("y is too long", 2), ("x is undefined", 1)]),
    ("error-names?limit=1", ["value"], [("y is too long",)]),
    ("error-names?limit=1&page=2", ["value"], [("x is undefined",)]),
    (TOO_LONG, ["lineNumber"], [(4,), (3,)]),
    (f"{TOO_LONG}&limit=1", ["lineNumber"], [(4,)]),
    (f"{TOO_LONG}&limit=1&page=2", ["lineNumber"], [(3,)]),
    (BY_COUNTRY, ["value", "event_count", "lcp_avg"], [("DE", 2, 500.0), ("GB", 1, 1200.5)]),
    (f"{BY_COUNTRY}&limit=1", ["value"], [("DE",)]),
    (f"{BY_COUNTRY}&limit=1&page=2", ["value"], [("GB",)]),
    (f"{BY_COUNTRY}&sort_by=lcp_p75", ["value"], [("GB",), ("DE",)]),
    (f"{BY_COUNTRY}&sort_by=country", ["value"], [("GB",), ("DE",)]),
    (f"{BY_COUNTRY}&sort_order=asc", ["value"], [("GB",), ("DE",)]),
    ("users", ["pageviews"], [(2,), (4,), (1,)]),
    ("users?page_size=1&page=2", ["pageviews"], [(4,)]),
    ("users?sort_order=asc", ["pageviews"], [(1,), (4,), (2,)]),
    ("users/session-count?user_id=bob", ["date"], [("2026-03-02",)]),
    ("users/session-count?user_id=bob&time_zone=Pacific/Auckland", ["date"], [("2026-03-03",)]),
    ("journeys", ["path"], [(["/", "/pricing"],), (["/", "/pricing", "/thanks"],)]),
    ("journeys?limit=1", ["path"], [(["/", "/pricing"],)]),
    ("events/bucketed?bucket=year", ["event_name", "event_count"], [("signup", 2), ("buy", 1)]),
    ("events/bucketed?bucket=year&limit=1", ["event_name"], [("signup",)]),
    (f"events/count?bucket=month&{MARCH}", ["time", "event_count"], [(FIRST_OF_MARCH, 17)]),
    (f"error-bucketed?{MESSAGE}&bucket=month&{MARCH}", ["time", "error_count"], [(FIRST_OF_MARCH, 2)]),
    (f"performance/time-series?bucket=month&{MARCH}", ["time", "event_count"], [(FIRST_OF_MARCH, 3)]),
    (GOALS, ["total_conversions", "total_sessions"], [(1, 4), (2, 4)]),
    (f"{GOALS}&start_date=2026-03-02", ["total_conversions", "total_sessions"], [(0, 2), (1, 2)]),
    (f"{GOALS}&end_date=2026-03-01", ["total_conversions", "total_sessions"], [(1, 2), (1, 2)]),
    (f"{GOALS}&{BRITISH_ONLY}", ["total_conversions", "total_sessions"], [(1, 2), (2, 2)]),
]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


@pytest.fixture(scope="module")
def shop(world: World) -> Tenant:
    """A site with several of everything, and two goals."""
    tenant = world.add_tenant()
    fill(world, tenant, *VISITS, *BOBS_VISIT)
    for kind, config in (("path", {"pathPattern": "/thanks"}), ("event", {"eventName": "signup"})):
        done(call(world, tenant, "POST", "goals", {"goalType": kind, "config": config}), 201)
    return tenant


@pytest.mark.parametrize(("question", "names", "rows"), QUESTIONS, ids=[each[0] for each in QUESTIONS])
def test_rows(
    world: World, shop: Tenant, question: str, names: Sequence[str], rows: list[tuple[Any, ...]]
) -> None:
    assert picked(world, shop, question, *names) == rows


@pytest.mark.parametrize(
    ("question", "total"), [("page-titles?", 3), ("error-names?", 2), (TOO_LONG, 2), (BY_COUNTRY, 2)]
)
def test_the_total_is_of_all_pages(world: World, shop: Tenant, question: str, total: int) -> None:
    for page in (1, 2, 9):
        assert asked(world, shop, f"{question}&limit=1&page={page}")["data"]["totalCount"] == total


def test_the_range_of_retention_says_how_far_back_users_are_looked_for(world: World, tenant: Tenant) -> None:
    five, forty = (clock.now() - timedelta(days=days) for days in (5, 40))
    for user, moment in (("five", five), ("forty", forty)):
        fill(world, tenant, {"timestamp": clock.to_iso(moment), "user_id": user, "pathname": "/"})

    def cohorts(days: int) -> dict[str, int]:
        answer = asked(world, tenant, f"retention?mode=day&range={days}")["data"]
        return {date: cohort["size"] for date, cohort in answer["cohorts"].items()}

    assert cohorts(7) == {f"{five:%Y-%m-%d}": 1}
    assert cohorts(90) == {f"{five:%Y-%m-%d}": 1, f"{forty:%Y-%m-%d}": 1}


class TestManyPageviews:
    """How long pages were looked at, and what came with them, is told unasked of so many pageviews only."""

    PAGES = ("metric?parameter=pathname", "title")
    TITLES = ("metric?parameter=page_title", "pathname")
    PAGEVIEWS = 7

    @pytest.mark.parametrize(
        ("question", "companion"), [PAGES, TITLES, ("page-titles", "pathname")], ids=lambda each: each[:30]
    )
    def test_more_are_told_without(
        self, world: World, shop: Tenant, monkeypatch: pytest.MonkeyPatch, question: str, companion: str
    ) -> None:
        names = (companion, "time_on_page_seconds")
        full = picked(world, shop, question, *names)
        assert all(None not in row for row in full)
        monkeypatch.setattr(breakdown, "MOST_FOR_DETAILS", self.PAGEVIEWS)
        assert picked(world, shop, question, *names) == full
        monkeypatch.setattr(breakdown, "MOST_FOR_DETAILS", 2)
        assert picked(world, shop, question, *names) == [(None, None)] * 3

    @pytest.mark.parametrize(("question", "companion"), [PAGES, TITLES], ids=lambda each: each[:30])
    def test_unless_they_are_asked_for(
        self, world: World, shop: Tenant, monkeypatch: pytest.MonkeyPatch, question: str, companion: str
    ) -> None:
        names = ("value", companion, "time_on_page_seconds")
        full = picked(world, shop, question, *names)
        monkeypatch.setattr(breakdown, "MOST_FOR_DETAILS", 2)
        assert picked(world, shop, f"{question}&time_on_page=true", *names) == full
        assert picked(world, shop, f"{question}&time_on_page=false", *names) != full
