"""The rest of the reference against answers that were found by hand; see `test_reference.py`."""

import pytest

from tests.stats.hand_made import DAY, HOUR, MINUTE, NOON, SITE, VISITS, asking, event
from tests.stats.reference.asked import Asked, Event
from tests.stats.reference.conversions import fits_path, funnel, goal, journeys
from tests.stats.reference.errors import error_events, error_names, errors_bucketed
from tests.stats.reference.event_reports import (
    event_counts,
    event_names,
    event_properties,
    events_bucketed,
    outbound_clicks,
)
from tests.stats.reference.retention import retention
from tests.stats.reference.sessions import session, session_locations, sessions
from tests.stats.reference.users import session_counts, user, users
from tests.stats.reference.vitals import quantile, vitals, vitals_bucketed, vitals_by


def test_sessions() -> None:
    rows = sessions(VISITS, SITE)
    assert [(row["session_id"], row["pageviews"], row["events"]) for row in rows] == [
        ("6", 0, 0),
        ("4", 1, 0),
        ("1", 2, 1),
    ]
    assert rows[1] | {"errors": 1, "session_duration": 3.0, "entry_page": "/a", "exit_page": "/a"} == rows[1]
    assert rows[1]["session_end"] == "2026-03-01T13:00:03.000Z"
    # What it was last seen with, and how it came at first.
    assert (rows[2]["browser"], rows[2]["channel"], rows[2]["lat"]) == ("Firefox", "Email", None)
    assert [row["session_id"] for row in sessions(VISITS, SITE, limit=1, page=2)] == ["4"]
    assert [
        row["session_id"] for row in sessions(VISITS, SITE, least={"pageviews": 1, "session_duration": 4})
    ] == ["1"]
    found = session(VISITS, SITE, 1, limit=2, offset=1)
    assert found is not None
    assert ([event["type"] for event in found["events"]], found["total"]) == (["pageview", "custom_event"], 3)
    assert session(VISITS, SITE, 7, limit=2) is None


def test_places() -> None:
    events = [
        event(1, 1, lat=1, lon=0, city="A"),
        event(2, 1, lat=1.0, lon=0, city="A"),
        event(3, 3, lat=1, lon=0, city="A"),
        event(4, 4, lat=-1, lon=0),
        event(5, 5, lat=1, city="A"),
    ]
    assert [tuple(row.values()) for row in session_locations(events, SITE)] == [
        (1.0, 0.0, "A", "", 2),
        (-1.0, 0.0, "", "", 1),
    ]


def test_users() -> None:
    found = users(VISITS, SITE)
    assert found["totalCount"] == 2
    assert [(row["user_id"], row["sessions"], row["pageviews"]) for row in found["data"]] == [
        ("0000000000000001", 2, 2),
        ("0000000000000004", 1, 1),
    ]
    by_views = users(VISITS, SITE, sort_by="events", descending=False)["data"]
    assert [row["user_id"][-1] for row in by_views] == ["4", "1"]
    # Of a user who was found, visits that were not found do not count.
    of_page = users(VISITS, asking(("pathname", "equals", "/")))["data"]
    assert [(row["sessions"], row["pageviews"], row["last_seen"][11:16]) for row in of_page] == [
        (1, 2, "12:02")
    ]
    one = user(VISITS, SITE, "0000000000000001")
    assert one is not None
    assert (one["sessions"], one["duration"]) == (2, 60.0)
    assert user(VISITS, SITE, "1") is None


def test_a_session_counts_on_each_of_its_days() -> None:
    events = [event(1, 1), event(2, 1, after=12 * HOUR), event(3, 3, after=12 * HOUR, user_hash=1)]
    assert session_counts(events, SITE, "0000000000000001") == [
        {"date": "2026-03-01", "sessions": 1},
        {"date": "2026-03-02", "sessions": 2},
    ]
    assert session_counts(events, asking(zone="Asia/Kolkata", start_ms=NOON + 1), "0000000000000001") == [
        {"date": "2026-03-02", "sessions": 2},
    ]


def _custom(number: int, name: str, properties: str | None = None, *, after: int = 0) -> Event:
    return event(number, type="custom_event", event_name=name, properties=properties, after=after)


def test_event_reports() -> None:
    events = [
        _custom(1, "b", '{"k":1,"t":"1"}'),
        _custom(2, "a", '{"k":"1","n":null}', after=HOUR),
        _custom(3, "b", '{"k":[1,{"x":"é"}]}', after=HOUR),
        _custom(4, "c", '["k"]', after=HOUR),
        event(5, type="outbound", properties='{"url":"https://x.org"}', after=MINUTE),
    ]
    assert [tuple(row.values()) for row in event_names(events, SITE)] == [("b", 2), ("a", 1), ("c", 1)]
    assert [tuple(row.values()) for row in event_properties(events, SITE, "b")] == [
        ("k", "1", 1),
        ("k", '[1, {"x": "é"}]', 1),
        ("t", "1", 1),
    ]
    assert event_properties(events, SITE, "c") == []
    assert outbound_clicks(events, SITE) == [
        {"url": "https://x.org", "count": 1, "lastClicked": "2026-03-01T12:01:00.000Z"}
    ]
    named = [tuple(row.values()) for row in events_bucketed(events, SITE, "hour", limit=2)]
    assert named == [
        ("2026-03-01 12:00:00", "b", 1),
        ("2026-03-01 13:00:00", "a", 1),
        ("2026-03-01 13:00:00", "b", 1),
    ]
    typed = event_counts(events, asking(end_ms=NOON + 3 * HOUR), "hour")
    assert [(row["custom_event_count"], row["outbound_count"], row["event_count"]) for row in typed] == [
        (1, 1, 2),
        (3, 0, 3),
        (0, 0, 0),
    ]


def test_retention() -> None:
    events = [event(1), event(2, after=DAY), event(3, 3), event(4, 4, after=DAY)]
    now = Asked(1, now_ms=NOON + 2 * DAY)
    assert retention(events, now, "day") == {
        "cohorts": {
            "2026-03-01": {"size": 2, "percentages": [100.0, 50.0, 0.0]},
            "2026-03-02": {"size": 1, "percentages": [100.0, 0.0, None]},
        },
        "maxPeriods": 2,
        "mode": "day",
    }
    # The first of March was a Sunday.
    assert list(retention(events, now, "week")["cohorts"]) == ["2026-02-23", "2026-03-02"]
    assert retention([], now, "week") == {"cohorts": {}, "maxPeriods": 0, "mode": "week"}


def test_journeys() -> None:
    paths = ["/", "/", "/a", "/b"]
    events = [event(number, pathname=path, after=number) for number, path in enumerate(paths, 1)]
    events += [event(5, 5, pathname="/"), event(6, 5, pathname="/a", after=1), event(7, 7, pathname="/")]
    assert [tuple(row.values()) for row in journeys(events, SITE, steps=3)] == [
        (["/", "/a"], 1, pytest.approx(100 / 3)),
        (["/", "/a", "/b"], 1, pytest.approx(100 / 3)),
    ]
    assert [row["count"] for row in journeys(events, SITE, steps=2)] == [2]


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("/blog/a", "/blog/*", True),
        ("/blog/", "/blog/*", False),
        ("/blog/a/b", "/blog/*", False),
        ("/blog/a/b", "/blog/**", True),
        ("/blog/", "/blog/**", True),
        ("/Blog/", "/blog/**", False),
        ("/a.b", "/a.b", True),
        ("/axb", "/a.b", False),
        ("/a/x/b", "/a/*/b", True),
        ("x/a", "/a", False),
        ("/a\n", "/a", False),
        ("/two\nlines", "/**", True),
    ],
)
def test_patterns(path: str, pattern: str, fits: bool) -> None:
    assert fits_path(path, pattern) == fits


def test_goals_and_funnels() -> None:
    events = [
        _custom(1, "buy", '{"seats":3,"new":true}'),
        event(2, pathname="/a", url_parameters='{"id":"1"}'),
        _custom(3, "buy", '{"seats":"3"}'),
        event(4, 4, pathname="/a", after=HOUR),
        event(5, 5, type="error"),
    ]
    page = {"type": "page", "value": "/*"}
    buy = {"type": "event", "value": "buy", "name": "Bought"}
    assert goal(events, SITE, page) == {
        "total_conversions": 2,
        "total_sessions": 3,
        "conversion_rate": pytest.approx(2 / 3),
    }
    assert goal(events, SITE, {**page, "properties": {"id": "1"}})["total_conversions"] == 1
    assert goal(events, SITE, {**page, "hostname": "x"})["total_conversions"] == 0
    wanted = ({"seats": 3}, {"seats": "3"}, {"new": True}, {"new": False}, {"seats": 4}, {"none": "3"})
    assert [goal(events, SITE, {**buy, "properties": each})["total_conversions"] for each in wanted] == [
        *(1, 1, 1),
        *(0, 0, 0),
    ]
    assert [tuple(row.values()) for row in funnel(events, SITE, [page, buy, buy])] == [
        (1, "/*", 2, 100.0, 0.0),
        (2, "Bought", 1, 50.0, 50.0),
        (3, "Bought", 0, 0.0, 100.0),
    ]
    assert [row["conversion_rate"] for row in funnel([], SITE, [page, buy])] == [0.0, 0.0]


def test_quantiles() -> None:
    assert quantile([5.0], 0.99) == 5.0
    assert quantile([1.0, 2.0], 0.5) == 1.5
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.75) == 3.25
    assert quantile([0.0, 10.0], 0.9) == 9.0


def test_vitals() -> None:
    events = [
        event(number, type="performance", lcp=lcp, cls=None, pathname=path)
        for number, (lcp, path) in enumerate([(100, "/"), (300, "/"), (None, "/a"), (1, None)], 1)
    ]
    found = vitals(events, SITE)
    assert (found["lcp_avg"], found["lcp_p50"], found["cls_p99"]) == (401 / 3, 100, None)
    assert found["total_performance_events"] == 4
    rows = vitals_by(events, SITE, "pathname", sort_by="lcp_p75", descending=False)
    assert [(row["pathname"], row["event_count"], row["lcp_p75"]) for row in rows["data"]] == [
        ("/", 2, 250.0),
        ("/a", 1, None),
    ]
    hours = vitals_bucketed(events, asking(end_ms=NOON + 2 * HOUR), "hour")
    assert [(row["event_count"], row["ttfb_avg"]) for row in hours] == [(4, None), (0, None)]


def test_errors() -> None:
    events = [
        event(number, session, type="error", event_name=name, properties=properties)
        for number, session, name, properties in (
            (1, 1, "Error", '{"message":"m","lineNumber":3}'),
            (2, 1, "TypeError", '{"message":"m"}'),
            (3, 3, "Error", '{"message":"n"}'),
            (4, 3, "Error", '{"message":""}'),
        )
    ]
    found = error_names(events, SITE)
    assert [tuple(row.values()) for row in found["data"]] == [
        ("m", "TypeError", 2, 1, 50.0),
        ("n", "Error", 1, 1, 50.0),
    ]
    single = error_events(events, SITE, "m")
    assert [(row["errorName"], row["lineNumber"], row["stack"]) for row in single["data"]] == [
        ("TypeError", None, None),
        ("Error", 3, None),
    ]
    day = asking(end_ms=NOON + HOUR)
    assert errors_bucketed(events, day, "m", "hour") == [{"time": "2026-03-01 12:00:00", "error_count": 2}]
