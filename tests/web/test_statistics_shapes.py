"""What every question of the statistics API is answered with: names and types of all fields."""

from typing import Any

import pytest

from tests.web.statistics import (
    Shape,
    asked,
    count,
    day,
    either,
    fill,
    filters,
    flag,
    identifier,
    local,
    mismatches,
    moment,
    nothing,
    number,
    text,
)
from tests.web.world import Tenant, World

MARCH = "start_date=2026-03-01&end_date=2026-03-02"
VITALS = ("lcp", "cls", "inp", "fcp", "ttfb")

FIGURES: dict[str, Shape] = {
    **dict.fromkeys(("sessions", "pageviews", "users"), count),
    **dict.fromkeys(("pages_per_session", "bounce_rate", "session_duration"), number),
}
METRIC_ROW: dict[str, Shape] = {
    **dict.fromkeys(("count", "pageviews"), count),
    **dict.fromkeys(("percentage", "pageviews_percentage", "bounce_rate"), number),
    "value": text,
}
PAGE_ROW = METRIC_ROW | {"title": text, "time_on_page_seconds": either(number, nothing)}
TITLE_ROW = METRIC_ROW | {"pathname": text, "time_on_page_seconds": either(number, nothing)}

_PLACE_TEXTS = ("country", "region", "city", "timezone", "language")
_DEVICE_TEXTS = ("device_type", "browser", "browser_version", "operating_system", "operating_system_version")
_SOURCE_TEXTS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
TRAITS: dict[str, Shape] = {
    **dict.fromkeys((*_PLACE_TEXTS, *_DEVICE_TEXTS, *_SOURCE_TEXTS), text),
    **dict.fromkeys(("user_id", "identified_user_id", "referrer", "hostname", "channel"), text),
    **dict.fromkeys(("lat", "lon"), either(number, nothing)),
    **dict.fromkeys(("screen_width", "screen_height"), either(count, nothing)),
}
SESSION: dict[str, Shape] = {
    **TRAITS,
    "session_id": identifier,
    **dict.fromkeys(("session_start", "session_end"), moment),
    "session_duration": number,
    **dict.fromkeys(("entry_page", "exit_page"), text),
    **dict.fromkeys(("pageviews", "events", "errors", "outbound", "performance"), count),
}
USER: dict[str, Shape] = {
    **TRAITS,
    "traits": nothing,
    **dict.fromkeys(("first_seen", "last_seen"), moment),
    **dict.fromkeys(("sessions", "pageviews", "events"), count),
}
EVENT: dict[str, Shape] = {
    **dict.fromkeys(
        ("event_id", "type", "event_name", "properties", "user_id", "hostname", "pathname"), text
    ),
    **dict.fromkeys(("identified_user_id", "querystring", "page_title", "referrer", "channel"), text),
    **dict.fromkeys((*_PLACE_TEXTS, *_DEVICE_TEXTS, *_SOURCE_TEXTS), text),
    "timestamp": moment,
    "session_id": identifier,
    **dict.fromkeys(("lat", "lon", *VITALS), either(number, nothing)),
    **dict.fromkeys(("screen_width", "screen_height"), either(count, nothing)),
}
ERROR = EVENT | {
    **dict.fromkeys(("message", "errorName"), text),
    **dict.fromkeys(("stack", "fileName"), either(text, nothing)),
    **dict.fromkeys(("lineNumber", "columnNumber"), either(count, nothing)),
}
VITAL_FIGURES: dict[str, Shape] = {
    f"{vital}_{name}": either(number, nothing)
    for vital in VITALS
    for name in ("avg", "p50", "p75", "p90", "p99")
}
TYPE_COUNTS: dict[str, Shape] = dict.fromkeys(
    (
        *("pageview_count", "custom_event_count", "performance_count", "outbound_count", "error_count"),
        "event_count",
    ),
    count,
)


def _page(row: Shape) -> Shape:
    return {"data": {"data": [row], "totalCount": count}}


def _cohorts(value: object) -> bool:
    """Cohorts by the day they began, each with as many percentages as there are periods, and one."""
    cohort = {"size": count, "percentages": [either(number, nothing)]}
    return isinstance(value, dict) and all(
        day(name) and not list(mismatches(each, cohort)) for name, each in value.items()
    )


def _props(value: object) -> bool:
    return isinstance(value, dict)


SHAPES: dict[str, Shape] = {
    "overview": {"data": FIGURES},
    "overview?compare=previous_period": {
        "data": FIGURES,
        "comparison": {"start": moment, "end": moment, "data": FIGURES},
    },
    **{
        f"overview-bucketed?bucket={bucket}": {"data": [{"time": local, **FIGURES}]}
        for bucket in (
            *("minute", "five_minutes", "ten_minutes", "fifteen_minutes"),
            *("hour", "day", "week", "month", "year"),
        )
    },
    **{
        f"metric?parameter={parameter}": _page(METRIC_ROW)
        for parameter in (
            *("browser", "browser_version", "operating_system", "operating_system_version", "language"),
            *("country", "region", "city", "device_type", "dimensions", "referrer", "hostname"),
            *("querystring", "event_name", "channel", "utm_source", "utm_medium", "url_param:q"),
            *("entry_page", "exit_page", "user_id", "lat", "lon", "timezone"),
        )
    },
    "metric?parameter=pathname": _page(PAGE_ROW),
    "metric?parameter=page_title": _page(TITLE_ROW),
    "page-titles": _page(TITLE_ROW),
    "sessions": {"data": [SESSION]},
    "session-locations": {
        "data": [{"lat": number, "lon": number, "city": text, "country": text, "count": count}]
    },
    "users": {"data": [USER], "totalCount": count, "page": count, "pageSize": count},
    "users/ada": {"data": {**USER, "duration": number, "linked_devices": lambda value: value == []}},
    "users/session-count?user_id=ada": {"data": [{"date": day, "sessions": count}]},
    "events": {"data": [EVENT], "cursor": {"hasMore": flag, "oldestTimestamp": moment}},
    "events/names": {"data": [{"eventName": text, "count": count}]},
    "events/properties?event_name=signup": {
        "data": [{"propertyKey": text, "propertyValue": text, "count": count}]
    },
    "events/outbound": {"data": [{"url": text, "count": count, "lastClicked": moment}]},
    "events/bucketed": {"data": [{"time": local, "event_name": text, "event_count": count}]},
    "events/count": {"data": [{"time": local, **TYPE_COUNTS}]},
    "retention?mode=day": {
        "data": {"cohorts": _cohorts, "maxPeriods": count, "mode": text, "range": count},
    },
    "journeys": {"journeys": [{"path": [text], "count": count, "percentage": number}]},
    "performance/overview": {"data": {**VITAL_FIGURES, "total_performance_events": count}},
    "performance/time-series": {"data": [{"time": local, **VITAL_FIGURES, "event_count": count}]},
    **{
        f"performance/by-dimension?dimension={dimension}": _page(
            {"value": text, dimension: text, **VITAL_FIGURES, "event_count": count}
        )
        for dimension in ("pathname", "country", "device_type", "browser", "operating_system", "region")
    },
    "error-names": _page(
        {
            **dict.fromkeys(("value", "errorName"), text),
            **dict.fromkeys(("count", "sessionCount"), count),
            "percentage": number,
        }
    ),
    "error-events?error_message=x+is+undefined": {"data": [ERROR]},
    "error-events?error_message=x+is+undefined&page=1": _page(ERROR),
    "error-bucketed?error_message=x+is+undefined": {"data": [{"time": local, "error_count": count}]},
}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


@pytest.fixture(scope="module")
def shop(world: World) -> Tenant:
    """A site with visits."""
    tenant = world.add_tenant(trackIp=True)
    fill(world, tenant)
    return tenant


@pytest.mark.parametrize("question", SHAPES)
def test_fields_and_their_types(world: World, shop: Tenant, question: str) -> None:
    separator = "&" if "?" in question else "?"
    shape = SHAPES[question]
    if question == "events":
        shape = {**shape, "data": [EVENT | {"ip": text}]}
    answer = asked(world, shop, f"{question}{separator}{MARCH}&time_zone=America/St_Johns")
    assert list(mismatches(answer, shape)) == []


def test_a_session_by_itself(world: World, shop: Tenant) -> None:
    first = asked(world, shop, "sessions")["data"][-1]["session_id"]
    shape = {
        "session": SESSION,
        "events": [EVENT | {"props": _props}],
        "pagination": {"total": count, "limit": count, "offset": count, "hasMore": flag},
    }
    answer = asked(world, shop, f"sessions/{first}")
    assert list(mismatches(answer, {"data": shape})) == []
    page = asked(world, shop, f"sessions/{first}?limit=2&offset=4")["data"]
    assert page["pagination"] == {"total": 7, "limit": 2, "offset": 4, "hasMore": True}
    assert [event["type"] for event in page["events"]] == ["performance", "outbound"]
    last = asked(world, shop, f"sessions/{first}?limit=2&offset=5")["data"]
    assert (len(last["events"]), last["pagination"]["hasMore"]) == (2, False)
    for unknown in ("1", "9" * 19, "9" * 18, "x", "0", "-1", first + "0"):
        answer = world.read(shop, f"sessions/{unknown}")
        assert (answer.status_code, answer.json) == (404, {"error": "Session not found"})


def test_of_users_that_nobody_knows(world: World, shop: Tenant) -> None:
    answer = world.read(shop, "users/nobody")
    assert (answer.status_code, answer.json) == (404, {"error": "User not found"})
    for question in ("users/session-count?user_id=nobody", "users/nobody/sessions"):
        assert asked(world, shop, question) == {"data": []}


# What there is to say of a site, or a time, without any events.
EMPTY = {
    "overview": {"data": dict.fromkeys(FIGURES, 0)},
    "metric?parameter=browser": {"data": {"data": [], "totalCount": 0}},
    "metric?parameter=pathname": {"data": {"data": [], "totalCount": 0}},
    "page-titles": {"data": {"data": [], "totalCount": 0}},
    "sessions": {"data": []},
    "session-locations": {"data": []},
    "users": {"data": [], "totalCount": 0, "page": 1, "pageSize": 100},
    "events": {"data": [], "cursor": {"hasMore": False, "oldestTimestamp": None}},
    "events/names": {"data": []},
    "events/properties?event_name=x": {"data": []},
    "events/outbound": {"data": []},
    "events/bucketed": {"data": []},
    "journeys": {"journeys": []},
    "funnels": {"data": []},
    "goals": {"data": [], "meta": {"total": 0, "page": 1, "pageSize": 10, "totalPages": 0}},
    "performance/overview": {"data": {**dict.fromkeys(VITAL_FIGURES), "total_performance_events": 0}},
    "performance/by-dimension?dimension=browser": {"data": {"data": [], "totalCount": 0}},
    "error-names": {"data": {"data": [], "totalCount": 0}},
    "error-events?error_message=x": {"data": []},
    "error-events?error_message=x&page=2": {"data": {"data": [], "totalCount": 0}},
    "live-user-count": {"count": 0},
    "has-data": {"hasData": False},
    "user-traits/keys": {"keys": []},
    "user-traits/values?key=plan": {"values": [], "total": 0, "hasMore": False},
    "user-traits/users?key=plan&value=pro": {"users": [], "total": 0, "hasMore": False},
    "retention": {"data": {"cohorts": {}, "maxPeriods": 0, "mode": "week", "range": 90}},
}


@pytest.mark.parametrize("question", EMPTY)
def test_nothing(world: World, tenant: Tenant, shop: Tenant, question: str) -> None:
    assert asked(world, tenant, question) == EMPTY[question]
    if question not in ("has-data", "live-user-count"):
        separator = "&" if "?" in question else "?"
        nowhen = f"{question}{separator}start_date=2020-01-01&end_date=2020-01-02"
        nobody = f"{question}{separator}{filters(('country', 'equals', 'XX'))}"
        assert asked(world, shop, nowhen) == EMPTY[question]
        assert asked(world, shop, nobody) == EMPTY[question]


BUCKETED = ("overview-bucketed", "events/count", "performance/time-series", "error-bucketed?error_message=x")


@pytest.mark.parametrize("question", BUCKETED)
def test_empty_buckets(world: World, tenant: Tenant, question: str) -> None:
    assert asked(world, tenant, question) == {"data": []}
    separator = "&" if "?" in question else "?"
    rows = asked(world, tenant, f"{question}{separator}{MARCH}&time_zone=Asia/Kolkata")["data"]
    assert [row.pop("time") for row in rows] == ["2026-03-01 00:00:00", "2026-03-02 00:00:00"]
    assert {value for row in rows for value in row.values()} <= {0, None}
