"""What programs that are written for this statistics API send, to the letter, and what they read of it.

They are kept by others, and not all of them can be installed; their calls are kept here. An answer is fit if
it has what they read, in the type that they take it for.
"""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.web.statistics import fill
from tests.web.world import Tenant, World

# As they name a time; empty values are sent by some.
DAYS = {"start_date": "2026-03-01", "end_date": "2026-03-31", "time_zone": "America/Mexico_City"}
MINUTES = {"past_minutes_start": "52000000", "past_minutes_end": "0", "time_zone": "UTC"}
EMPTY = {"start_date": "", "end_date": "", "time_zone": "UTC"}
FROM_MINUTES = {"past_minutes_start": "52000000"}
MOMENTS = {"start_datetime": "2026-03-01 00:00:00", "end_datetime": "2026-04-01 00:00:00"}
TIMES = (DAYS, MINUTES, EMPTY, FROM_MINUTES, MOMENTS, {})
FILTER = [{"parameter": "country", "type": "equals", "value": ["GB", "DE"]}]
PAGE = {"page": "1", "limit": "200"}

NUMBERS = ("sessions", "pageviews", "users", "pages_per_session", "bounce_rate", "session_duration")
SESSION = ("session_id", "user_id", "country", "city", "browser", "device_type", "entry_page", "exit_page")
EVENT = ("timestamp", "type", "event_name", "properties", "user_id", "pathname", "country", "browser")

# The path, what is sent beside the time, where the rows are in the answer, the texts and numbers of a row.
CALLS: tuple[tuple[str, dict[str, str], str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("overview", {}, "data", (), NUMBERS),
    ("overview-bucketed", {"bucket": "day", "stat": "users"}, "data", ("time",), NUMBERS),
    ("overview/time-series", {"bucket": "day"}, "data", ("time",), NUMBERS),
    (
        "metric",
        {"parameter": "pathname", **PAGE},
        "data.data",
        ("value",),
        ("count", "pageviews", "percentage"),
    ),
    ("metric", {"parameter": "event_name", "limit": "500"}, "data.data", ("value",), ("count", "percentage")),
    ("page-titles", PAGE, "data.data", ("value", "pathname"), ("count", "percentage")),
    ("session-locations", PAGE, "data", ("city", "country"), ("lat", "lon", "count")),
    ("sessions", {**PAGE, "min_duration": "1"}, "data", SESSION, ("session_duration", "pageviews", "events")),
    (
        "sessions",
        {"page": "1", "limit": "20", "identified_only": "true"},
        "data",
        ("identified_user_id",),
        (),
    ),
    ("users", {**PAGE, "sort_by": "last_seen", "sort_order": "desc"}, "data", ("user_id",), ("sessions",)),
    (
        "users",
        {"page_size": "20", "search": "ad", "search_field": "user_id"},
        "data",
        ("last_seen",),
        ("events",),
    ),
    ("users/session-count", {"userId": "ada"}, "data", ("date",), ("sessions",)),
    ("users/session-count", {"user_id": "ada"}, "data", ("date",), ("sessions",)),
    ("events", {"page_size": "500", "bucket": "hour"}, "data", EVENT, ()),
    ("events", {"limit": "200", "beforeTimestamp": "2026-12-01T00:00:00.000Z"}, "data", EVENT, ()),
    ("events", {"since_timestamp": "2026-03-01 00:00:00.000"}, "data", EVENT, ()),
    ("events/names", {}, "data", ("eventName",), ("count",)),
    ("events/properties", {"event_name": "signup"}, "data", ("propertyKey", "propertyValue"), ("count",)),
    ("events/outbound", PAGE, "data", ("url", "lastClicked"), ("count",)),
    ("events/bucketed", {"bucket": "day", "event": "x"}, "data", ("time", "event_name"), ("event_count",)),
    ("events/count", {"bucket": "day"}, "data", ("time",), ("pageview_count", "custom_event_count")),
    (
        "error-names",
        {**PAGE, "bucket": "day"},
        "data.data",
        ("value", "errorName"),
        ("count", "sessionCount"),
    ),
    (
        "error-events",
        {"errorMessage": "x is undefined", **PAGE},
        "data.data",
        ("timestamp", "session_id", "message", "stack", "fileName"),
        ("lineNumber",),
    ),
    ("error-events", {"errorMessage": "x is undefined"}, "data", ("message",), ()),
    (
        "error-bucketed",
        {"errorMessage": "x is undefined", "bucket": "day"},
        "data",
        ("time",),
        ("error_count",),
    ),
    ("performance/overview", {}, "data", (), ("lcp_p75", "cls_p75", "fcp_p75", "ttfb_p75")),
    ("performance/time-series", {"bucket": "year"}, "data", ("time",), ("lcp_p75", "event_count")),
    (
        "performance/by-dimension",
        {"dimension": "pathname"},
        "data.data",
        ("pathname",),
        ("lcp_p75", "event_count"),
    ),
    ("journeys", {"steps": "3", "limit": "100"}, "journeys", (), ("count", "percentage")),
    ("goals", {"page_size": "100", "sort": "createdAt", "order": "desc"}, "data", ("goalType",), ("goalId",)),
    ("funnels", {}, "data", ("name",), ("id",)),
)


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


@pytest.fixture(scope="module")
def shop(world: World) -> Tenant:
    tenant = world.add_tenant()
    fill(world, tenant)
    goal = {
        "goalType": "path",
        "config": {"pathPattern": "/thanks"},
        "goalId": None,
        "siteId": tenant.site_id,
    }
    assert _call(world, tenant, "POST", "goals", goal)["goalId"]
    steps = [{"value": "/", "type": "page", "name": "Home"}, {"value": "signup", "type": "event"}]
    assert _call(world, tenant, "POST", "funnels", {"name": "Way", "steps": steps})["funnelId"]
    return tenant


def _call(world: World, tenant: Tenant, method: str, path: str, body: object = None) -> Any:
    # They say that a body is JSON also where there is none.
    headers = {
        "Authorization": f"Bearer {tenant.account_key}",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    data = None if body is None else json.dumps(body)
    answer = world.client().open(f"/api/sites/{tenant.id}/{path}", method=method, data=data, headers=headers)
    assert answer.status_code < 300, (path, answer.data)
    assert "application/json" in answer.headers["Content-Type"]
    return json.loads(answer.data)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]}?{'&'.join(call[1])}")
def test_a_call(
    world: World, shop: Tenant, call: tuple[str, dict[str, str], str, tuple[str, ...], tuple[str, ...]]
) -> None:
    path, sent, place, texts, numbers = call
    for time in TIMES:
        for further in ({}, {"filters": "[]"}, {"filters": json.dumps(FILTER)}, {"filters": ""}):
            found = _call(world, shop, "GET", f"{path}?{urlencode({**time, **sent, **further})}")
            for name in place.split("."):
                found = found[name]
            rows = found if isinstance(found, list) else [found]
            assert rows, (path, time)
            full = [row for row in rows if all(row[name] is not None for name in numbers)]
            assert full, (path, time)
            for row in full:
                assert all(isinstance(row[name], str) for name in texts), row
                assert all(isinstance(row[name], int | float) for name in numbers), row


def test_events_to_the_end(world: World, shop: Tenant) -> None:
    for name, size in (("beforeTimestamp", "limit"), ("before_timestamp", "page_size")):
        seen: list[str] = []
        before: dict[str, str] = {}
        while True:
            page = _call(world, shop, "GET", f"events?{urlencode({size: '3', **before})}")
            seen += [event["timestamp"] for event in page["data"]]
            if not page["cursor"]["hasMore"]:
                break
            before = {name: page["cursor"]["oldestTimestamp"]}
        assert len(seen) == 10


def test_what_they_change(world: World, shop: Tenant) -> None:
    (goal,) = _call(world, shop, "GET", "goals")["data"]
    changed = {
        "goalType": "event",
        "name": "Joined",
        "config": {"eventName": "signup", "propertyFilters": [{"key": "plan", "value": "pro"}]},
        "goalId": goal["goalId"],
        "siteId": None,
    }
    assert _call(world, shop, "PUT", f"goals/{goal['goalId']}", changed)["success"] is True
    assert len(_call(world, shop, "GET", f"goals/{goal['goalId']}/sessions?page=1&limit=25")["data"]) == 1
    (funnel,) = _call(world, shop, "GET", "funnels")["data"]
    steps = {"steps": funnel["steps"]}
    rows = _call(world, shop, "POST", f"funnels/analyze?{urlencode(DAYS)}", steps)["data"]
    assert [(row["step_name"], row["visitors"]) for row in rows] == [("Home", 2), ("signup", 1)]
    path = f"funnels/1/sessions?{urlencode({**DAYS, 'page': '1', 'limit': '25', 'mode': 'dropped'})}"
    assert len(_call(world, shop, "POST", path, steps)["data"]) == 1
    again = {"name": "Road", **steps, "reportId": funnel["id"]}
    assert _call(world, shop, "POST", "funnels", again)["funnelId"] == funnel["id"]
    for path in (f"funnels/{funnel['id']}", f"goals/{goal['goalId']}"):
        assert _call(world, shop, "DELETE", path)["success"] is True


def test_one_session_one_user_and_how_many_are_there(world: World, shop: Tenant) -> None:
    row = _call(world, shop, "GET", "sessions")["data"][-1]
    found = _call(world, shop, "GET", f"sessions/{row['session_id']}?limit=100&offset=0")["data"]
    assert found["session"]["session_id"] == row["session_id"]
    assert found["events"][2]["props"]["plan"] == "pro"
    assert found["pagination"] == {"total": 7, "limit": 100, "offset": 0, "hasMore": False}
    assert _call(world, shop, "GET", "users/ada")["data"]["sessions"] == 2
    assert isinstance(_call(world, shop, "GET", "live-user-count")["count"], int)
    assert isinstance(_call(world, shop, "GET", "live-user-count?minutes=30")["count"], int)
    retention = _call(world, shop, "GET", f"retention?mode=week&range=90&{urlencode(DAYS)}")["data"]
    assert {"cohorts", "maxPeriods", "mode", "range"} == set(retention)


def test_errors_as_the_web_sdk_sends_them(world: World, tenant: Tenant) -> None:
    properties = {"message": "m", "filename": "https://e.example/a.js", "line_number": 3, "column_number": 14}
    fill(world, tenant, {"type": "error", "event_name": "TypeError", "properties": json.dumps(properties)})
    (error,) = _call(world, tenant, "GET", "error-events?errorMessage=m")["data"]
    place = (error["fileName"], error["lineNumber"], error["columnNumber"])
    assert place == ("https://e.example/a.js", 3, 14)
