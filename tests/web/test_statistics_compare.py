"""`compare`: the headline figures of an earlier time beside those of a period."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from rybbit import clock
from tests.web.statistics import asked, fill, filters
from tests.web.world import Tenant, World


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


def _earlier(world: World, tenant: Tenant, compare: str, question: str) -> tuple[str, str]:
    comparison = asked(world, tenant, f"overview?compare={compare}&{question}")["comparison"]
    assert list(comparison) == ["start", "end", "data"]
    return comparison["start"].removesuffix(":00.000Z"), comparison["end"].removesuffix(":00.000Z")


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("start_date=2026-03-02&end_date=2026-03-02", "2026-03-01T00:00", "2026-03-02T00:00"),
        ("start_date=2026-03-01&end_date=2026-03-31", "2026-01-29T00:00", "2026-03-01T00:00"),
        ("start_date=2024-02-29&end_date=2024-02-29", "2024-02-28T00:00", "2024-02-29T00:00"),
        ("start_date=2025-03-01&end_date=2025-03-01", "2025-02-28T00:00", "2025-03-01T00:00"),
        # The clocks go forward, and back: a day before is a day of the calendar, however long it is.
        (
            "start_date=2026-03-29&end_date=2026-03-29&time_zone=Europe/Berlin",
            *("2026-03-27T23:00", "2026-03-28T23:00"),
        ),
        (
            "start_date=2026-03-30&end_date=2026-03-30&time_zone=Europe/Berlin",
            *("2026-03-28T23:00", "2026-03-29T22:00"),
        ),
        (
            "start_date=2025-10-27&end_date=2025-10-27&time_zone=Europe/Berlin",
            *("2025-10-25T22:00", "2025-10-26T23:00"),
        ),
        (
            "start_date=2026-03-08&end_date=2026-03-14&time_zone=America/St_Johns",
            *("2026-03-01T03:30", "2026-03-08T03:30"),
        ),
        # Times are as long as they were.
        (
            "start_datetime=2026-03-29T00:00:00Z&end_datetime=2026-03-29T06:00:00Z&time_zone=Europe/Berlin",
            *("2026-03-28T18:00", "2026-03-29T00:00"),
        ),
    ],
)
def test_the_period_before(world: World, tenant: Tenant, question: str, start: str, end: str) -> None:
    assert _earlier(world, tenant, "previous_period", question) == (start, end)


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("start_date=2026-03-01&end_date=2026-03-02", "2025-03-01T00:00", "2025-03-03T00:00"),
        ("start_date=2024-02-29&end_date=2024-02-29", "2023-02-28T00:00", "2023-03-01T00:00"),
        ("start_date=2024-02-28&end_date=2024-02-28", "2023-02-28T00:00", "2023-03-01T00:00"),
        ("start_date=2024-02-01&end_date=2024-02-29", "2023-02-01T00:00", "2023-03-01T00:00"),
        ("start_date=2025-02-01&end_date=2025-02-28", "2024-02-01T00:00", "2024-03-01T00:00"),
        (
            "start_datetime=2024-02-29T10:00:00&end_datetime=2024-02-29T15:00:00",
            *("2023-02-28T10:00", "2023-02-28T15:00"),
        ),
        (
            "start_datetime=2024-02-28T15:00:00&end_datetime=2024-02-29T15:00:00",
            *("2023-02-28T15:00", "2023-03-01T15:00"),
        ),
        # In Berlin it was summer already on 30 March 2025, and not yet a year later.
        (
            "start_date=2026-03-29&end_date=2026-03-29&time_zone=Europe/Berlin",
            *("2025-03-28T23:00", "2025-03-29T23:00"),
        ),
        (
            "start_date=2026-03-30&end_date=2026-03-30&time_zone=Europe/Berlin",
            *("2025-03-29T23:00", "2025-03-30T22:00"),
        ),
    ],
)
def test_a_year_before(world: World, tenant: Tenant, question: str, start: str, end: str) -> None:
    assert _earlier(world, tenant, "previous_year", question) == (start, end)


def test_the_last_minutes(world: World, tenant: Tenant) -> None:
    before = clock.now()
    figures = asked(world, tenant, "overview?compare=previous_period&past_minutes_start=60")["comparison"]
    # As long as the hour is, and the millisecond that is now.
    assert _seconds(figures["end"]) - _seconds(figures["start"]) == pytest.approx(3600.001)
    assert _seconds(figures["end"]) == pytest.approx((before - timedelta(hours=1)).timestamp(), abs=30)
    question = "overview?compare=previous_period&past_minutes_start=60&past_minutes_end=30"
    figures = asked(world, tenant, question)["comparison"]
    assert _seconds(figures["end"]) - _seconds(figures["start"]) == 1800
    open_end = asked(world, tenant, "overview?compare=previous_year&start_date=2026-03-01")["comparison"]
    assert open_end["start"] == "2025-03-01T00:00:00.000Z"
    a_year_before = before.replace(year=before.year - 1, day=min(before.day, 28)).timestamp()
    assert _seconds(open_end["end"]) == pytest.approx(a_year_before, abs=3 * 86_400)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def test_an_event_at_the_bound_is_in_one_of_both(world: World, tenant: Tenant) -> None:
    moments = ("2026-03-01T23:59:59.999Z", "2026-03-02T00:00:00.000Z", "2026-02-28T23:59:59.999Z")
    fill(
        world,
        tenant,
        *({"timestamp": at, "user_id": f"u{number}", "pathname": "/"} for number, at in enumerate(moments)),
        {"timestamp": "2025-03-02T00:00:00Z", "user_id": "u9", "pathname": "/", "language": "de"},
    )
    question = "overview?start_date=2026-03-02&end_date=2026-03-02"
    for compare in ("previous_period", "previous_year"):
        answer = asked(world, tenant, f"{question}&compare={compare}")
        assert (answer["data"]["users"], answer["comparison"]["data"]["users"]) == (1, 1), compare
    for wanted, users in (("de", 1), ("en", 0)):
        german = filters(("language", "equals", wanted))
        answer = asked(world, tenant, f"{question}&compare=previous_year&{german}")
        assert answer["comparison"]["data"]["users"] == users
    assert "comparison" not in asked(world, tenant, f"{question}&compare=")


@pytest.mark.parametrize("compare", ["previous_period", "previous_year"])
@pytest.mark.parametrize(
    "question", ["", "start_date=&end_date=", "end_date=2026-03-02", "end_datetime=2026-03-02"]
)
def test_what_has_no_beginning(world: World, tenant: Tenant, compare: str, question: str) -> None:
    answer = world.read(tenant, f"overview?compare={compare}&{question}")
    assert answer.status_code == 400
    assert json.loads(answer.data)["details"]["fieldErrors"] == {
        "compare": ["Needs a period with a beginning"]
    }


@pytest.mark.parametrize(
    "question",
    [
        "compare=previous_week&start_date=2026-03-01",
        "compare=previous_period&start_date=9000-12-31",
        "compare=previous_year&start_datetime=9900-01-01",
        "compare=previous_period&start_date=2999-06-01",
        "compare=previous_period&start_date=1970-01-01&end_date=9000-01-01",
        "compare=previous_period&start_datetime=0006-01-01&end_datetime=9986-01-01",
    ],
)
def test_what_cannot_be(world: World, tenant: Tenant, question: str) -> None:
    answer = world.read(tenant, f"overview?{question}")
    assert answer.status_code == 400
    assert list(json.loads(answer.data)["details"]["fieldErrors"]) == ["compare"]
