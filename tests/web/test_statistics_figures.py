"""The figures of a few visits, counted by hand, as the statistics API tells them."""

from typing import Any

import pytest

from tests.web.statistics import asked, filters, on_both_engines, picked
from tests.web.world import Tenant, World

pytestmark = on_both_engines

MARCH = "start_date=2026-03-01&end_date=2026-03-02"


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


def _figures(sessions: int, pageviews: int, users: int, *rates: float) -> dict[str, float]:
    names = ("sessions", "pageviews", "users", "pages_per_session", "bounce_rate", "session_duration")
    return dict(zip(names, (sessions, pageviews, users, *rates), strict=True))


WHOLE = _figures(3, 5, 2, 5 / 3, 200 / 3, 110.0)


class TestOverview:
    """The headline figures."""

    @pytest.mark.parametrize(
        "question",
        [
            "",
            MARCH,
            f"{MARCH}&time_zone=Pacific/Auckland",
            "start_date=&end_date=&time_zone=Europe/Berlin",
            "start_date=2026-03-01",
            "end_date=2026-03-02",
            "start_datetime=2026-03-01T09:00:00Z&end_datetime=2026-03-02+09:00:31",
            "start_datetime=2026-03-01+10:00:00%2B01:00",
            "past_minutes_start=52000000&past_minutes_end=0",
            "past_minutes_start=52000000",
        ],
    )
    def test_over_time(self, world: World, shop: Tenant, question: str) -> None:
        assert asked(world, shop, f"overview?{question}")["data"] == pytest.approx(WHOLE)

    @pytest.mark.parametrize(
        ("question", "figures"),
        [
            ("start_date=2026-03-01&end_date=2026-03-01", _figures(2, 4, 2, 2, 50, 150)),
            # In Auckland it is 22:00 and later.
            ("end_date=2026-03-01&time_zone=Pacific/Auckland", _figures(2, 4, 2, 2, 50, 150)),
            ("end_date=2026-03-01&time_zone=Pacific/Kiritimati", _figures(1, 3, 1, 3, 0, 300)),
            ("end_datetime=2026-03-01T09:01:00Z", _figures(1, 1, 1, 1, 100, 0)),
            ("end_datetime=2026-03-01T09:01:00.001Z", _figures(1, 2, 1, 2, 0, 60)),
            ("start_datetime=2026-03-02T09:00:30Z", _figures(1, 0, 1, 0, 0, 0)),
            ("start_datetime=2026-03-02T09:00:30.001Z", _figures(0, 0, 0, 0, 0, 0)),
            ("start_datetime=2026-03-01&end_datetime=2026-03-01", _figures(0, 0, 0, 0, 0, 0)),
            ("past_minutes_start=1", _figures(0, 0, 0, 0, 0, 0)),
        ],
    )
    def test_over_a_part(self, world: World, shop: Tenant, question: str, figures: dict[str, float]) -> None:
        assert asked(world, shop, f"overview?{question}")["data"] == pytest.approx(figures)

    @pytest.mark.parametrize(
        ("each", "figures"),
        [
            ([("pathname", "equals", "/pricing")], _figures(2, 2, 1, 2, 50, 165)),
            ([("pathname", "equals", ["/pricing", "/thanks"])], _figures(2, 3, 1, 2, 50, 165)),
            ([("pathname", "not_equals", "/")], _figures(2, 3, 1, 2, 50, 165)),
            ([("event_name", "equals", "signup")], _figures(2, 4, 1, 2, 50, 165)),
            ([("event_name", "not_equals", "signup")], _figures(1, 1, 1, 1, 100, 0)),
            ([("utm_source", "equals", "letter")], _figures(1, 3, 1, 3, 0, 300)),
            ([("entry_page", "equals", "/")], _figures(2, 4, 2, 2, 50, 150)),
            ([("exit_page", "equals", "/thanks")], _figures(1, 3, 1, 3, 0, 300)),
            ([("url_param:q", "equals", "red shoes")], _figures(1, 1, 1, 3, 0, 300)),
            ([("country", "equals", "DE")], _figures(1, 1, 1, 1, 100, 0)),
            ([("lat", "greater_than", 52)], _figures(1, 1, 1, 1, 100, 0)),
            ([("lat", "less_than", "52")], _figures(2, 4, 1, 2, 50, 165)),
            ([("dimensions", "equals", "1920x1080")], _figures(2, 4, 1, 2, 50, 165)),
            ([("browser_version", "greater_than", 100)], _figures(2, 4, 1, 2, 50, 165)),
            ([("user_id", "equals", "ada")], _figures(2, 4, 1, 2, 50, 165)),
            ([("channel", "equals", "Email")], _figures(1, 3, 1, 3, 0, 300)),
            (
                [("browser", "contains", "ire"), ("entry_page", "regex", "^/pri")],
                _figures(1, 1, 1, 1, 100, 30),
            ),
            (
                [("page_title", "not_contains", "i"), ("country", "equals", "GB")],
                _figures(2, 2, 1, 2, 50, 165),
            ),
            ([("referrer", "equals", "google.com")], _figures(1, 3, 1, 3, 0, 300)),
        ],
    )
    def test_filtered(
        self, world: World, shop: Tenant, each: list[tuple[str, str, Any]], figures: dict[str, float]
    ) -> None:
        assert asked(world, shop, f"overview?{filters(*each)}")["data"] == pytest.approx(figures)

    def test_in_the_course_of_time(self, world: World, shop: Tenant) -> None:
        rows = asked(world, shop, f"overview-bucketed?{MARCH}&time_zone=Asia/Kolkata&bucket=day")["data"]
        assert rows == [
            {"time": "2026-03-01 00:00:00", **_figures(2, 4, 2, 2, 50, 150)},
            {"time": "2026-03-02 00:00:00", **_figures(1, 1, 1, 1, 100, 30)},
        ]
        hours = asked(world, shop, f"overview-bucketed?{MARCH}&time_zone=Asia/Kolkata&bucket=hour")["data"]
        assert len(hours) == 48
        assert [row["time"] for row in hours if row["sessions"]] == [
            # Half past two at nine o'clock in Greenwich.
            *("2026-03-01 14:00:00", "2026-03-01 15:00:00", "2026-03-02 14:00:00")
        ]
        (week,) = asked(world, shop, "overview-bucketed?bucket=week&end_date=2026-03-01")["data"]
        assert week == {"time": "2026-02-23 00:00:00", **_figures(2, 4, 2, 2, 50, 150)}
        # All time ends now: there are empty years, but not before the first event.
        years = asked(world, shop, "overview-bucketed?bucket=year")["data"]
        assert years[0] == pytest.approx({"time": "2026-01-01 00:00:00", **WHOLE})


class TestMetric:
    """Sessions and pageviews by a dimension."""

    @pytest.mark.parametrize(
        ("parameter", "rows"),
        [
            ("browser", [("Firefox", 2, 4), ("Mobile Safari", 1, 1)]),
            ("country", [("GB", 2, 4), ("DE", 1, 1)]),
            ("region", [("GB-ENG", 2, 4)]),
            ("city", [("London", 2, 4), ("Berlin", 1, 1)]),
            ("device_type", [("Desktop", 2, 4), ("Mobile", 1, 1)]),
            ("dimensions", [("1920x1080", 2, 4)]),
            ("language", [("en-GB", 2, 4), ("de", 1, 1)]),
            ("pathname", [("/", 2, 2), ("/pricing", 2, 2), ("/thanks", 1, 1)]),
            ("page_title", [("Home", 2, 2), ("Pricing", 2, 2), ("Thanks", 1, 1)]),
            ("event_name", [("signup", 2, 0)]),
            ("channel", [("Direct", 2, 2), ("Email", 1, 3)]),
            ("referrer", [("google.com", 1, 3)]),
            ("utm_source", [("letter", 1, 3)]),
            ("url_param:q", [("red shoes", 1, 1)]),
            ("entry_page", [("/", 2, 4), ("/pricing", 1, 1)]),
            ("exit_page", [("/", 1, 1), ("/pricing", 1, 1), ("/thanks", 1, 3)]),
            ("lat", [("51.5", 2, 4), ("52.5", 1, 1)]),
            ("timezone", [("Europe/London", 2, 4)]),
            ("hostname", [("shop.example", 3, 5)]),
        ],
    )
    def test_rows(self, world: World, shop: Tenant, parameter: str, rows: list[tuple[str, int, int]]) -> None:
        question = f"metric?parameter={parameter}&{MARCH}"
        assert picked(world, shop, question, "value", "count", "pageviews") == rows
        assert asked(world, shop, question)["data"]["totalCount"] == len(rows)
        second = asked(world, shop, f"{question}&limit=1&page=2")["data"]
        assert [row["value"] for row in second["data"]] == [value for value, _, _ in rows[1:2]]
        assert second["totalCount"] == len(rows)

    def test_pages(self, world: World, shop: Tenant) -> None:
        pricing = asked(world, shop, "metric?parameter=pathname")["data"]["data"][1]
        assert pricing == {
            "value": "/pricing",
            "title": "Pricing",
            "count": 2,
            "percentage": 40.0,
            "pageviews": 2,
            "pageviews_percentage": 40.0,
            "bounce_rate": 50.0,
            # A minute till the event, and half a minute.
            "time_on_page_seconds": 45.0,
        }
        names = ("value", "pathname", "count", "pageviews", "time_on_page_seconds")
        assert picked(world, shop, "page-titles", *names) == [
            ("Home", "/", 2, 2, 60.0),
            ("Pricing", "/pricing", 2, 2, 45.0),
            ("Thanks", "/thanks", 1, 1, 30.0),
        ]


class TestVisits:
    """Sessions, users, and how they move."""

    def test_sessions(self, world: World, shop: Tenant) -> None:
        names = ("user_id", "session_start", "session_end", "session_duration", "entry_page", "exit_page")
        names += ("pageviews", "events", "errors", "outbound", "channel", "country")
        nobody = asked(world, shop, "sessions?limit=1&page=2")["data"][0]["user_id"]
        at = "2026-03-0{}T{}.000Z".format
        last, second, first = picked(world, shop, "sessions", *names)
        times = (at(2, "09:00:00"), at(2, "09:00:30"), 30.0)
        assert last == ("ada", *times, "/pricing", "/pricing", 1, 1, 0, 0, "Direct", "GB")
        times = (at(1, "10:00:00"), at(1, "10:00:00"), 0.0)
        assert second == (nobody, *times, "/", "/", 1, 0, 0, 0, "Direct", "DE")
        times = (at(1, "09:00:00"), at(1, "09:05:00"), 300.0)
        assert first == ("ada", *times, "/", "/thanks", 3, 1, 1, 1, "Email", "GB")
        assert len(nobody) == 16

    @pytest.mark.parametrize(
        ("wanted", "users"),
        [
            ("user_id=ada", ["ada", "ada"]),
            ("identified_only=true", ["ada", "ada"]),
            ("min_pageviews=2", ["ada"]),
            ("min_events=1", ["ada", "ada"]),
            ("min_duration=30", ["ada", "ada"]),
            ("min_duration=31", ["ada"]),
            ("user_id=nobody", []),
            ("session_id=1", []),
        ],
    )
    def test_some_sessions(self, world: World, shop: Tenant, wanted: str, users: list[str]) -> None:
        assert [row["user_id"] for row in asked(world, shop, f"sessions?{wanted}")["data"]] == users

    def test_places(self, world: World, shop: Tenant) -> None:
        assert asked(world, shop, "session-locations")["data"] == [
            {"lat": 51.5, "lon": -0.12, "city": "London", "country": "GB", "count": 2},
            {"lat": 52.5, "lon": 13.4, "city": "Berlin", "country": "DE", "count": 1},
        ]

    def test_users(self, world: World, shop: Tenant) -> None:
        names = ("user_id", "identified_user_id", "sessions", "pageviews", "events")
        (ada, nobody) = picked(world, shop, "users", *names)
        assert ada == ("ada", "ada", 2, 4, 2)
        assert nobody[1:] == ("", 1, 1, 0)
        by_first = asked(world, shop, "users?sort_by=first_seen&sort_order=desc&page_size=1")
        assert (by_first["totalCount"], by_first["pageSize"]) == (2, 1)
        assert by_first["data"][0]["user_id"] == nobody[0]
        assert asked(world, shop, "users?identified_only=1")["totalCount"] == 1
        assert asked(world, shop, "users?search=AD")["data"][0]["user_id"] == "ada"
        assert asked(world, shop, "users?search=ada&search_field=email")["totalCount"] == 1
        one = asked(world, shop, "users/ada")["data"]
        assert (one["sessions"], one["duration"], one["pageviews"], one["events"]) == (2, 165.0, 4, 2)
        assert (one["first_seen"], one["last_seen"]) == (
            "2026-03-01T09:00:00.000Z",
            "2026-03-02T09:00:30.000Z",
        )
        assert asked(world, shop, f"users/{nobody[0]}")["data"]["country"] == "DE"
        assert picked(world, shop, "users/session-count?user_id=ada", "date", "sessions") == [
            *(("2026-03-01", 1), ("2026-03-02", 1))
        ]

    def test_retention_and_journeys(self, world: World, shop: Tenant) -> None:
        assert asked(world, shop, f"retention?mode=day&range=7&{MARCH}")["data"] == {
            "cohorts": {"2026-03-01": {"size": 2, "percentages": [100.0, 50.0]}},
            "maxPeriods": 1,
            "mode": "day",
            "range": 7,
        }
        weeks = asked(world, shop, f"retention?{MARCH}")["data"]["cohorts"]
        assert weeks == {"2026-02-23": {"size": 2, "percentages": [100.0, 50.0]}}
        assert asked(world, shop, "journeys?steps=3")["journeys"] == [
            {"path": ["/", "/pricing", "/thanks"], "count": 1, "percentage": 100 / 3}
        ]
        assert asked(world, shop, "journeys?steps=2&stepFilters={%221%22:%22/pri*%22}")["journeys"] == [
            {"path": ["/", "/pricing"], "count": 1, "percentage": 100 / 3}
        ]


def test_events(world: World, shop: Tenant) -> None:
    assert asked(world, shop, "events/names")["data"] == [{"eventName": "signup", "count": 2}]
    assert picked(
        world, shop, "events/properties?event_name=signup", "propertyKey", "propertyValue", "count"
    ) == [
        ("new", "true", 1),
        ("note", "null", 1),
        ("plan", "basic", 1),
        ("plan", "pro", 1),
        ("seats", "3", 1),
        ("seats", "3.5", 1),
        ("tags", '["a", {"b": 1}]', 1),
    ]
    assert asked(world, shop, "events/outbound")["data"] == [
        {"url": "https://example.org/x", "count": 1, "lastClicked": "2026-03-01T09:04:00.000Z"}
    ]
    assert asked(world, shop, "events/bucketed?bucket=month")["data"] == [
        {"time": "2026-03-01 00:00:00", "event_name": "signup", "event_count": 2}
    ]
    assert asked(world, shop, f"events/count?{MARCH}")["data"][1] == {
        "time": "2026-03-02 00:00:00",
        "pageview_count": 1,
        "custom_event_count": 1,
        "performance_count": 0,
        "outbound_count": 0,
        "error_count": 0,
        "event_count": 2,
    }


def test_vitals_and_errors(world: World, shop: Tenant) -> None:
    vitals = asked(world, shop, "performance/overview")["data"]
    assert {vitals[f"lcp_{name}"] for name in ("avg", "p50", "p75", "p90", "p99")} == {1200.5}
    assert (vitals["inp_p75"], vitals["cls_avg"], vitals["total_performance_events"]) == (None, 0.1, 1)
    (row,) = asked(world, shop, "performance/by-dimension?dimension=country")["data"]["data"]
    assert (row["value"], row["country"], row["event_count"], row["ttfb_p50"]) == ("GB", "GB", 1, 90.0)
    counted = {"count": 1, "sessionCount": 1, "percentage": 100.0}
    assert asked(world, shop, "error-names")["data"]["data"] == [
        {"value": "x is undefined", "errorName": "TypeError", **counted}
    ]
    (error,) = asked(world, shop, "error-events?error_message=x+is+undefined")["data"]
    shown = ("message", "stack", "fileName", "lineNumber", "columnNumber", "pathname", "timestamp")
    assert [error[name] for name in shown] == [
        *("x is undefined", "at f (app.js:1:2)", "app.js", 1, None, "/thanks", "2026-03-01T09:05:00.000Z")
    ]
    assert asked(world, shop, f"error-bucketed?error_message=x+is+undefined&{MARCH}")["data"] == [
        {"time": "2026-03-01 00:00:00", "error_count": 1},
        {"time": "2026-03-02 00:00:00", "error_count": 0},
    ]
