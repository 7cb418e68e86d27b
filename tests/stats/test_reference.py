"""The reference itself, against answers that were found by hand."""

from collections.abc import Iterable
from datetime import date
from random import Random
from typing import Any

import pytest

from tests.stats.hand_made import DAY, HOUR, MINUTE, NOON, SITE, VISITS, asking, event
from tests.stats.reference.asked import Asked, Event
from tests.stats.reference.asking import make_asking
from tests.stats.reference.breakdown import breakdown, page_titles
from tests.stats.reference.buckets import bucket_of, buckets, day_start
from tests.stats.reference.dimensions import channel, entry_page, event_value, exit_page, shown_user
from tests.stats.reference.narrowing import fits, narrow
from tests.stats.reference.overview import overview, overview_bucketed
from tests.stats.reference.traffic import give_ids, random_traffic


def _ids(events: Iterable[Event]) -> list[int]:
    return [each["id"] for each in events]


def test_overview() -> None:
    assert overview([], SITE) == {
        **dict.fromkeys(("sessions", "pageviews", "users"), 0),
        **dict.fromkeys(("pages_per_session", "bounce_rate", "session_duration"), 0.0),
    }
    assert overview(VISITS, SITE) == {
        "sessions": 3,
        "pageviews": 3,
        "users": 2,
        "pages_per_session": 1.0,
        "bounce_rate": pytest.approx(100 / 3),
        "session_duration": pytest.approx((120 + 3) / 3),
    }


def test_a_page_chooses_visits_and_a_visitor_cuts_them() -> None:
    of_page = overview(VISITS, asking(("pathname", "equals", "/")))
    assert (of_page["sessions"], of_page["pageviews"]) == (1, 1)
    assert (of_page["pages_per_session"], of_page["session_duration"]) == (2.0, 120.0)
    of_browser = overview(VISITS, asking(("browser", "equals", "Firefox")))
    assert (of_browser["sessions"], of_browser["pageviews"], of_browser["session_duration"]) == (1, 0, 0.0)


def test_narrowing() -> None:
    by_page = narrow(VISITS, asking(("pathname", "equals", "/a"), ("browser", "equals", "Chrome")))
    assert _ids(by_page.everything) == [1, 2, 3, 4, 5, 6]
    assert _ids(by_page.visiting) == [1, 2, 6]
    assert _ids(by_page.matching) == [2]
    by_name = asking(("event_name", "equals", "buy"))
    assert _ids(narrow(VISITS, by_name).matching) == [1, 2, 3]
    assert _ids(narrow(VISITS, by_name, event_level=True).matching) == [3]
    assert _ids(narrow(VISITS, asking(("event_name", "not_equals", "buy"))).matching) == [4, 5, 6]
    assert _ids(narrow(VISITS, asking(("channel", "equals", "Email"))).matching) == [1, 2, 3]
    assert _ids(narrow(VISITS, asking(("entry_page", "not_equals", "/"))).matching) == [4, 5, 6]
    assert _ids(narrow(VISITS, asking(start_ms=NOON + MINUTE, end_ms=NOON + HOUR)).matching) == [2, 3]
    # What a visit is depends on what it did within the period alone.
    late = asking(("entry_page", "equals", "/a"), start_ms=NOON + MINUTE)
    assert _ids(narrow(VISITS, late).matching) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("kind", "wanted", "value", "kept"),
    [
        ("equals", "a", "a", True),
        ("equals", "A", "a", False),
        ("equals", "", "", True),
        ("not_equals", "a", "", True),
        ("equals", 60, "60", True),
        ("equals", "52.5", 52.5, True),
        ("equals", "52.5", None, False),
        ("not_equals", "52.5", None, True),
        ("less_than", 100, None, False),
        ("contains", "", "", True),
        ("contains", "%", "a", False),
        ("not_contains", "b", "abc", False),
        ("regex", "^b", "ab", False),
        ("regex", "a$", "a\n", False),
        ("regex", "a.b", "a\nb", False),
        ("not_regex", "[0-9]", "v2", False),
        ("greater_than", 9, "10.2.1", True),
        ("greater_than", 9, "v10", False),
        ("less_than", 0, "-3x", True),
        ("less_than", 5, "", False),
    ],
)
def test_filters(kind: str, wanted: str | float, value: str | float | None, kept: bool) -> None:
    assert fits({"parameter": "city", "type": kind, "value": [wanted]}, value) == kept


def test_values() -> None:
    assert shown_user({"user_hash": -1}) == "f" * 16
    assert shown_user({"user_hash": 10}) == "000000000000000a"
    assert shown_user({"user_hash": 10, "user_id": "anna"}) == "anna"
    assert event_value({"screen_width": 10, "screen_height": 20}, "dimensions") == "10x20"
    assert event_value({"screen_width": 10}, "dimensions") == ""
    assert event_value({"url_parameters": '{"a/b": "1"}'}, "url_param:a/b") == "1"
    assert event_value({"url_parameters": None}, "url_param:a/b") == ""
    assert event_value({"lat": 0}, "lat") == 0.0


def test_visits() -> None:
    visit = [{"type": "pageview", "channel": each} for each in (None, "Internal", "Direct", "Email", "AI")]
    assert [channel(visit[:count]) for count in range(6)] == [
        "",
        "",
        "Internal",
        "Internal",
        "Email",
        "Email",
    ]
    pages = [event(number, pathname=path) for number, path in enumerate((None, "/a", "/b", None), 1)]
    events = [event(0, pathname="/x", type="error"), *pages, event(9, pathname="/y", type="custom_event")]
    assert (entry_page(events), exit_page(events)) == ("/a", "/b")
    assert entry_page(events[:2]) == ""


def test_breakdown_of_pages() -> None:
    found = breakdown(VISITS, SITE, "pathname")
    assert found == {
        "totalCount": 2,
        "data": [
            {
                "value": "/a",
                "count": 2,
                "percentage": pytest.approx(200 / 3),
                "pageviews": 2,
                "pageviews_percentage": pytest.approx(200 / 3),
                "bounce_rate": 50.0,
                "time_on_page_seconds": (60 + 3) / 2,
                "title": "Newer A",
            },
            {
                "value": "/",
                "count": 1,
                "percentage": pytest.approx(100 / 3),
                "pageviews": 1,
                "pageviews_percentage": pytest.approx(100 / 3),
                "bounce_rate": 0.0,
                "time_on_page_seconds": 60.0,
                "title": "",
            },
        ],
    }
    assert breakdown(VISITS, SITE, "pathname", limit=1, page=2)["data"] == found["data"][1:]
    assert breakdown(VISITS, SITE, "pathname", page=2) == {"data": [], "totalCount": 2}


def _rows(parameter: str, *filters: tuple[str, str, Any]) -> list[tuple[Any, ...]]:
    found = breakdown(VISITS, asking(*filters), parameter)["data"]
    return [(row["value"], row["count"], row["pageviews"], row["bounce_rate"]) for row in found]


def test_breakdowns() -> None:
    assert _rows("browser") == [("Chrome", 2, 2, 0.0), ("Firefox", 1, 0, 0.0)]
    assert _rows("event_name") == [("buy", 1, 0, 0.0)]
    assert _rows("event_name", ("event_name", "not_equals", "buy")) == []
    assert _rows("channel") == [("Direct", 1, 1, 100.0), ("Email", 1, 2, 0.0)]
    # The visit keeps its channel, and its bounce is judged by all its pages.
    assert _rows("channel", ("pathname", "equals", "/")) == [("Email", 1, 1, 0.0)]
    assert _rows("exit_page", ("pathname", "equals", "/")) == [("/a", 1, 1, 0.0)]
    assert [row["value"] for row in page_titles(VISITS, SITE)["data"]] == ["A", "Newer A"]


def test_a_long_look_counts_as_half_an_hour() -> None:
    events = [event(1, pathname="/"), event(2, after=2 * HOUR, pathname="/end")]
    seconds = [row["time_on_page_seconds"] for row in breakdown(events, SITE, "pathname")["data"]]
    assert seconds == [1800, None]


def test_rows_are_ordered_by_number_where_values_are_numbers() -> None:
    events = [event(number, number, lat=lat) for number, lat in enumerate((10, -2.5, 9, None), 1)]
    assert [row["value"] for row in breakdown(events, SITE, "lat")["data"]] == ["-2.5", "9.0", "10.0"]


def test_days() -> None:
    assert day_start(date(2026, 3, 1), "UTC") == NOON - 12 * HOUR
    berlin = "Europe/Berlin"
    assert day_start(date(2026, 3, 30), berlin) - day_start(date(2026, 3, 29), berlin) == 23 * HOUR
    assert day_start(date(2025, 10, 27), berlin) - day_start(date(2025, 10, 26), berlin) == 25 * HOUR
    # Chile's clocks jump from midnight to one.
    santiago = "America/Santiago"
    assert bucket_of(day_start(date(2025, 9, 7), santiago), santiago, "hour").name == "2025-09-07 01:00:00"
    assert bucket_of(day_start(date(2025, 9, 7), santiago), santiago, "day").name == "2025-09-07 00:00:00"


def _times(zone: str, first: date, length: str, *, hours: int, after: int = 0) -> list[str]:
    start = day_start(first, zone) + after
    asked = Asked(1, start, start + hours * HOUR, zone, now_ms=start + 1000 * DAY)
    return [bucket.name[5:16] for bucket in buckets(asked, length, [])]


def test_hours_that_come_twice_or_never() -> None:
    spring = _times("Europe/Berlin", date(2026, 3, 29), "hour", hours=4)
    assert spring == ["03-29 00:00", "03-29 01:00", "03-29 03:00", "03-29 04:00"]
    autumn = _times("Europe/Berlin", date(2025, 10, 26), "hour", hours=4)
    assert autumn == ["10-26 00:00", "10-26 01:00", "10-26 02:00", "10-26 02:00"]
    # Lord Howe's clocks go back from two to half past one, and forward from two to half past two.
    autumn = _times("Australia/Lord_Howe", date(2026, 4, 5), "hour", hours=3)
    assert autumn == ["04-05 00:00", "04-05 01:00", "04-05 01:00", "04-05 02:00"]
    spring = _times("Australia/Lord_Howe", date(2025, 10, 5), "hour", hours=3)
    assert spring == ["10-05 00:00", "10-05 01:00", "10-05 02:00", "10-05 03:00"]
    autumn = _times("America/St_Johns", date(2025, 11, 2), "fifteen_minutes", hours=2, after=105 * MINUTE)
    assert autumn == [f"11-02 01:{minute:02}" for minute in (45, 0, 15, 30, 45)] + [
        f"11-02 02:{minute:02}" for minute in (0, 15, 30)
    ]


def test_calendar_buckets() -> None:
    assert _times("Asia/Kolkata", date(2025, 12, 31), "day", hours=25) == ["12-31 00:00", "01-01 00:00"]
    assert _times("Asia/Kolkata", date(2025, 12, 31), "week", hours=24 * 6) == ["12-29 00:00", "01-05 00:00"]
    assert _times("UTC", date(2024, 1, 31), "month", hours=24 * 31) == [
        "01-01 00:00",
        "02-01 00:00",
        "03-01 00:00",
    ]
    assert _times("UTC", date(2024, 12, 31), "year", hours=25) == ["01-01 00:00", "01-01 00:00"]
    assert _times("UTC", date(2024, 12, 31), "hour", hours=1, after=59 * MINUTE) == [
        "12-31 00:00",
        "12-31 01:00",
    ]


def test_overview_by_bucket() -> None:
    rows = overview_bucketed(VISITS, asking(end_ms=NOON + 2 * HOUR), "hour")
    assert [(row["time"], row["sessions"], row["bounce_rate"]) for row in rows] == [
        ("2026-03-01 12:00:00", 1, 0.0),
        ("2026-03-01 13:00:00", 1, 100.0),
    ]
    cut = asking(("entry_page", "equals", "/"), start_ms=NOON - HOUR, end_ms=NOON + 2 * HOUR)
    minutes = overview_bucketed(VISITS, cut, "minute")
    assert len(minutes) == 180
    # The second minute knows of the page in the first, but its bounce is its own.
    assert [(row["pageviews"], row["bounce_rate"]) for row in minutes[60:63]] == [
        (1, 100.0),
        (1, 100.0),
        (0, 0.0),
    ]
    assert overview_bucketed([], SITE, "day") == []
    assert len(overview_bucketed(VISITS, SITE, "hour")) == 25


def test_sessions_are_assigned_in_order_of_receipt() -> None:
    half = 30 * MINUTE
    events = [{"site_id": 1, "user_hash": 7, "timestamp": NOON + at} for at in (0, 2 * half, half, half + 1)]
    events += [{"site_id": 1, "user_hash": 7, "timestamp": NOON + at} for at in (-half, 3 * half, 2**30)]
    events += [{"site_id": 2, "user_hash": 7, "timestamp": NOON}]
    give_ids(lambda options: options[0], events)
    first = events[0]["id"]
    # The third is as near to both sessions, and joins the one that began first; the sixth is in reach of
    # the second one alone.
    assert [each["session_id"] - first for each in events] == [0, 1, 0, 0, 0, 1, 6, 7]
    assert _ids(events) == sorted(_ids(events))


def test_made_up_traffic_is_rich() -> None:
    made = random_traffic(1, 400)
    assert made == random_traffic(1, 400)
    assert max(each["timestamp"] for each in made.events) <= made.world.now_ms
    sessions = {each["session_id"] for each in made.events}
    assert 20 < len(sessions) < 300
    alone = [each for each in sessions if sum(event["session_id"] == each for event in made.events) == 1]
    assert alone
    at = [(each["site_id"], each["timestamp"]) for each in made.events]
    assert len(set(at)) < len(at)
    received = [each["timestamp"] for each in sorted(made.events, key=lambda event: event["id"])]
    assert received != sorted(received)


def test_made_up_questions_find_something() -> None:
    chance = Random(2)
    made = random_traffic(2, 200)
    askings = [make_asking(chance.choice, made.world) for _ in range(200)]
    found = [overview(made.events, each.asked)["sessions"] for each in askings]
    assert sum(count > 0 for count in found) > 60
