"""Programs that are written for this statistics API work unchanged: each of their calls, and what they read.

An answer is fit if it has what they read, in the type that they take it for.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.web.client_calls import BUCKETS, CALLS, DAYS, DIMENSIONS, FILTERS, TIMES, Call
from tests.web.statistics import fill, fill_with_demo
from tests.web.world import Tenant, World

DEMO_EVENTS = 20_000
STEPS = [
    {"value": "/tools/*", "type": "page", "name": "A tool"},
    {"value": "/cart", "type": "page"},
    {"value": "purchase", "type": "event", "name": "Order"},
]


@dataclass(frozen=True)
class Filled:
    """A site, and the names of an event, an error's message and a user that there are on it."""

    tenant: Tenant
    names: dict[str, str]


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


@pytest.fixture(scope="module")
def demo(world: World) -> Tenant:
    tenant = world.add_tenant()
    fill_with_demo(world, tenant, events=DEMO_EVENTS)
    return tenant


@pytest.fixture(scope="module", params=["by hand", "demo"])
def filled(request: pytest.FixtureRequest, world: World) -> Filled:
    """The site whose visits can be counted by hand, and one with demo traffic."""
    if request.param == "by hand":
        shop: Tenant = request.getfixturevalue("shop")
        return Filled(shop, {"event": "signup", "message": "x is undefined", "user": "ada"})
    demo: Tenant = request.getfixturevalue("demo")
    british_or_german = f"sessions?identified_only=true&filters={quote(FILTERS[-1])}"
    user = _call(world, demo, "GET", british_or_german)["data"][0]["user_id"]
    return Filled(demo, {"event": "purchase", "message": "Failed to fetch", "user": user})


def _call(world: World, tenant: Tenant, method: str, path: str, body: object = None) -> Any:
    return _api(world, tenant, method, f"sites/{tenant.id}/{path}".rstrip("/"), body)


def _api(world: World, tenant: Tenant, method: str, path: str, body: object = None) -> Any:
    # They say that a body is JSON also where there is none.
    headers = {
        "Authorization": f"Bearer {tenant.account_key}",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    data = None if body is None else json.dumps(body)
    answer = world.client().open(f"/api/{path}", method=method, data=data, headers=headers)
    assert answer.status_code < 300, (path, answer.data)
    assert "application/json" in answer.headers["Content-Type"]
    return json.loads(answer.data)


def _rows(found: Any, place: str) -> list[Any]:
    for name in place.split("."):
        found = found[name]
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_call(world: World, filled: Filled, call: Call) -> None:
    for time in TIMES:
        for further in ({}, *({"filters": each} for each in FILTERS)):
            address = call.address(filled.names, {**time, **further})
            rows = _rows(_call(world, filled.tenant, "GET", address), call.place)
            full = [row for row in rows if all(row[name] is not None for name in call.numbers)]
            assert full, address
            for row in full:
                assert all(isinstance(row[name], str) for name in call.texts), row
                assert all(isinstance(row[name], int | float) for name in call.numbers), row


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_dimension_of_the_demo_has_values(world: World, demo: Tenant, dimension: str) -> None:
    for time in TIMES:
        sent = urlencode({**time, "parameter": dimension, "limit": "20", "page": "1"})
        page = _call(world, demo, "GET", f"metric?{sent}")["data"]
        assert page["data"]
        assert page["totalCount"] >= len(page["data"])
        for row in page["data"]:
            assert isinstance(row["value"], str)
            assert row["count"] > 0
            assert 0 < row["percentage"] <= 100


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_bucket_of_the_demo(world: World, demo: Tenant, bucket: str) -> None:
    days = {"start_date": "2026-03-18", "end_date": "2026-03-19", "time_zone": "Asia/Tokyo"}
    sent = urlencode({**days, "bucket": bucket})
    for path, name in (
        ("overview-bucketed", "pageviews"),
        ("events/bucketed", "event_count"),
        ("events/count", "outbound_count"),
        ("performance/time-series", "event_count"),
        ("error-bucketed", "error_count"),
    ):
        rows = _call(world, demo, "GET", f"{path}?{sent}&errorMessage=Failed+to+fetch")["data"]
        assert sum(row[name] for row in rows) > 0, path
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


@pytest.mark.parametrize(
    ("name", "size"), [("beforeTimestamp", "limit"), ("before_timestamp", "page_size"), ("cursor", "limit")]
)
@pytest.mark.parametrize(("site", "length", "total"), [("shop", "3", 10), ("demo", "200", DEMO_EVENTS)])
def test_events_to_the_end(
    request: pytest.FixtureRequest, world: World, name: str, size: str, site: str, length: str, total: int
) -> None:
    tenant: Tenant = request.getfixturevalue(site)
    seen: list[str] = []
    before: dict[str, str] = {}
    for _ in range(total // int(length) + 1):
        page = _call(world, tenant, "GET", f"events?{urlencode({size: length, **before})}")
        seen += [event["event_id"] for event in page["data"]]
        if not page["cursor"]["hasMore"]:
            break
        before = {name: page["cursor"]["oldestTimestamp"]}
    assert len(seen) == len(set(seen)) == total


def test_who_did_something_most_often(world: World, demo: Tenant) -> None:
    """As a program ranks users: by the names and properties of raw events of sessions with the event."""
    sent = {"filters": json.dumps([{"parameter": "event_name", "type": "equals", "value": ["search"]}])}
    events = _call(world, demo, "GET", f"events?{urlencode({**sent, 'limit': '1000'})}")["data"]
    found = [event for event in events if event["event_name"] == "search"]
    assert {"term", "results"} == {name for event in found for name in json.loads(event["properties"])}
    names = {event["identified_user_id"] for event in found}
    assert names == {"", *(event["user_id"] for event in found if event["user_id"].startswith("customer-"))}
    assert len(names) > 2


def test_goals_and_funnels_of_the_demo(world: World, demo: Tenant) -> None:
    goals = _call(world, demo, "GET", f"goals?{urlencode(DAYS)}")["data"]
    assert {goal["goalType"] for goal in goals} == {"path", "event"}
    for goal in goals:
        assert goal["total_conversions"] > 0
        assert _call(world, demo, "GET", f"goals/{goal['goalId']}/sessions?limit=5&page=1")["data"]
    body = {"steps": STEPS}
    rows = _call(world, demo, "POST", f"funnels/analyze?{urlencode(DAYS)}", body)["data"]
    visitors = [row["visitors"] for row in rows]
    assert visitors == sorted(visitors, reverse=True)
    assert visitors[-1] > 0
    assert [row["step_name"] for row in rows] == ["A tool", "/cart", "Order"]
    for step, reached in enumerate(visitors, start=1):
        further = visitors[step] if step < len(visitors) else reached
        for mode, expected in (("reached", reached), ("dropped", reached - further)):
            path = (
                f"funnels/{step}/sessions?{urlencode({**DAYS, 'mode': mode, 'limit': '1000', 'page': '1'})}"
            )
            assert len(_call(world, demo, "POST", path, body)["data"]) == min(expected, 1000)


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


def test_one_session_and_how_many_are_there(world: World, shop: Tenant) -> None:
    row = _call(world, shop, "GET", "sessions")["data"][-1]
    found = _call(world, shop, "GET", f"sessions/{row['session_id']}?limit=100&offset=0")["data"]
    assert found["session"]["session_id"] == row["session_id"]
    assert found["events"][2]["props"]["plan"] == "pro"
    assert found["pagination"] == {"total": 7, "limit": 100, "offset": 0, "hasMore": False}
    assert _call(world, shop, "GET", "users/ada")["data"]["sessions"] == 2
    assert isinstance(_call(world, shop, "GET", "live-user-count")["count"], int)
    assert isinstance(_call(world, shop, "GET", "live-user-count?minutes=30")["count"], int)


@pytest.mark.parametrize("mode", ["day", "week"])
def test_who_came_back(world: World, filled: Filled, mode: str) -> None:
    path = f"retention?mode={mode}&range=90&{urlencode(DAYS)}"
    found = _call(world, filled.tenant, "GET", path)["data"]
    assert {"cohorts", "maxPeriods", "mode", "range"} == set(found)
    for cohort in found["cohorts"].values():
        assert cohort["size"] > 0
        assert cohort["percentages"][0] == 100
        assert all(each is None or 0 <= each <= 100 for each in cohort["percentages"])


def test_traits_that_they_look_for(world: World, filled: Filled) -> None:
    assert _call(world, filled.tenant, "GET", "user-traits/keys")["keys"] == []
    for path, name in (("values?key=plan&limit=1000", "values"), ("users?key=plan&value=pro", "users")):
        found = _call(world, filled.tenant, "GET", f"user-traits/{path}")
        assert (found[name], found["total"], found["hasMore"]) == ([], 0, False)


def test_sites_and_their_settings(world: World, tenant: Tenant) -> None:
    (organization,) = _api(world, tenant, "GET", "organizations")
    assert all(isinstance(organization[name], str) for name in ("id", "name", "slug", "role"))
    (listed,) = organization["sites"]
    assert (listed["siteId"], listed["id"], listed["public"]) == (tenant.site_id, tenant.id, False)
    assert all(isinstance(listed[name], str) for name in ("name", "domain", "createdAt", "organizationId"))
    members = _api(world, tenant, "GET", f"organizations/{organization['id']}/members")
    assert all(isinstance(members[0][name], str) for name in ("id", "name", "email", "role"))
    assert isinstance(_api(world, tenant, "GET", "version")["version"], str)
    assert isinstance(_api(world, tenant, "GET", "config")["disableSignup"], bool)
    assert _call(world, tenant, "GET", "has-data") == {"hasData": False}
    # As they make one: with switches that are off, and named after its domain.
    switches = dict.fromkeys(("public", "saltUserIds", "sessionReplay", "webVitals", "trackErrors"), False)
    domain = f"new.{tenant.domain}"
    body = {"domain": domain, "name": domain, "blockBots": True, **switches}
    made = _api(world, tenant, "POST", f"organizations/{organization['id']}/sites", body)
    assert (made["domain"], made["organizationId"]) == (domain, organization["id"])
    changes = {"name": "New", "trackIp": True, "excludedIPs": ["10.0.0.0/8"], "excludedCountries": ["US"]}
    for site in (made["siteId"], made["id"]):
        changed = _api(world, tenant, "PUT", f"sites/{site}/config", changes)
        assert changed["success"] is True
        assert changes.items() <= changed["config"].items()
    assert _api(world, tenant, "GET", f"sites/{made['id']}/excluded-ips")["excludedIPs"] == ["10.0.0.0/8"]
    assert _api(world, tenant, "GET", f"sites/{made['id']}")["trackIp"] is True
    assert _api(world, tenant, "DELETE", f"sites/{made['siteId']}")["success"] is True


def test_errors_as_the_web_sdk_sends_them(world: World, tenant: Tenant) -> None:
    properties = {"message": "m", "filename": "https://e.example/a.js", "line_number": 3, "column_number": 14}
    fill(world, tenant, {"type": "error", "event_name": "TypeError", "properties": json.dumps(properties)})
    (error,) = _call(world, tenant, "GET", "error-events?errorMessage=m")["data"]
    place = (error["fileName"], error["lineNumber"], error["columnNumber"])
    assert place == ("https://e.example/a.js", 3, 14)
