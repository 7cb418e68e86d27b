"""The names by which programs know the statistics: of paths and of parameters; and who may read them."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.web.people import everything
from tests.web.statistics import VISITS, asked, call, fill, filters
from tests.web.world import Tenant, World

MARCH = "start_date=2026-03-01&end_date=2026-03-02"

# The path here, and the others; `{site}` is where a site is named in them.
OTHER_NAMES = {
    "overview": ["overview/{site}"],
    "overview-bucketed": ["sites/{site}/overview/time-series", "overview-bucketed/{site}"],
    "metric?parameter=browser": ["metric/{site}?parameter=browser"],
    "page-titles": ["page-titles/{site}"],
    "live-user-count": ["live-user-count/{site}"],
    "has-data": ["site-has-data/{site}"],
    "sessions": ["sessions/{site}"],
    "session-locations": ["sites/{site}/sessions/locations", "session-locations/{site}"],
    "users": ["users/{site}"],
    "retention": ["retention/{site}"],
    "journeys": ["journeys/{site}"],
    "events": ["events/{site}"],
    "events/names": ["events/names/{site}"],
    "events/properties?event_name=signup": ["events/properties/{site}?event_name=signup"],
    "events/outbound": ["events/outbound/{site}"],
    "events/bucketed": ["sites/{site}/events/time-series"],
    "performance/overview": ["performance/overview/{site}"],
    "performance/time-series": ["performance/time-series/{site}"],
    "performance/by-dimension?dimension=browser": ["performance/by-dimension/{site}?dimension=browser"],
    "error-names": ["sites/{site}/errors/names", "error-names/{site}"],
    "error-events?error_message=x+is+undefined": [
        "sites/{site}/errors/events?error_message=x+is+undefined",
        "error-events/{site}?error_message=x+is+undefined",
    ],
    "error-bucketed?error_message=x+is+undefined": [
        "sites/{site}/errors/time-series?error_message=x+is+undefined",
        "error-bucketed/{site}?error_message=x+is+undefined",
    ],
    "goals": ["goals/{site}"],
    "funnels": ["funnels/{site}"],
}
# What asks the same in one question under several names.
OTHER_PARAMETERS = [
    ("events?page_size=2", "events?limit=2"),
    (
        "events?before_timestamp=2026-03-01T09:02:00Z&since_timestamp=2026-03-01T09:01:00Z",
        "events?beforeTimestamp=2026-03-01T09:02:00Z&afterTimestamp=2026-03-01T09:01:00Z",
    ),
    ("events?before_timestamp=2026-03-01T09:02:00Z", "events?cursor=2026-03-01T09:02:00Z"),
    ("users?page_size=1", "users?limit=1"),
    ("sessions?user_id=ada&limit=1&page=2", "users/ada/sessions?limit=1&page=2"),
    ("users/session-count?user_id=ada", "users/session-count?userId=ada"),
    ("error-events?error_message=x+is+undefined", "error-events?errorMessage=x+is+undefined"),
    ("error-bucketed?error_message=x+is+undefined", "error-bucketed?errorMessage=x+is+undefined"),
    ("sessions?limit=1", "sessions?page_size=1"),
    ("metric?parameter=browser&limit=1", "metric?parameter=browser&page_size=1"),
    ("goals?page_size=1", "goals?limit=1"),
]
UNKNOWN = "stat=users&segment=1&event=x&limit=50&no_such=%00&startDate=x&timezone=y&siteId=7"


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


@pytest.fixture(scope="module")
def shop(world: World) -> Tenant:
    tenant = world.add_tenant(trackIp=True)
    fill(world, tenant)
    for kind, config in (("path", {"pathPattern": "/thanks"}), ("event", {"eventName": "signup"})):
        made = call(world, tenant, "POST", "goals", {"goalType": kind, "config": config})
        assert made.status_code == 201
    steps = [{"value": "/", "type": "page"}, {"value": "signup", "type": "event"}]
    assert call(world, tenant, "POST", "funnels", {"name": "Way", "steps": steps}).status_code == 201
    return tenant


@pytest.mark.parametrize("question", OTHER_NAMES)
def test_paths(world: World, shop: Tenant, question: str) -> None:
    separator = "&" if "?" in question else "?"
    expected = asked(world, shop, f"{question}{separator}{MARCH}")
    for other in OTHER_NAMES[question]:
        for site in (shop.id, str(shop.site_id)):
            path = f"/api/{other.replace('{site}', site)}"
            path += f"{'&' if '?' in path else '?'}{MARCH}"
            for headers, status in (
                ({"Authorization": f"Bearer {shop.account_key}"}, 200),
                ({}, 401),
                ({"Authorization": f"Bearer {shop.api_key}"}, 401),
            ):
                answer = world.client().get(path, headers=headers)
                assert answer.status_code == status, path
                assert status == 401 or json.loads(answer.data) == expected, path


@pytest.mark.parametrize(("ours", "theirs"), OTHER_PARAMETERS)
def test_parameters(world: World, shop: Tenant, ours: str, theirs: str) -> None:
    answer = asked(world, shop, ours)
    assert answer == asked(world, shop, theirs)
    assert answer != asked(world, shop, "overview")


@pytest.mark.parametrize("question", OTHER_NAMES)
def test_what_nobody_knows_is_passed_over(world: World, shop: Tenant, question: str) -> None:
    separator = "&" if "?" in question else "?"
    assert asked(world, shop, f"{question}{separator}{UNKNOWN}") == asked(
        world, shop, f"{question}{separator}limit=50"
    )


def test_before_a_moment_page_by_page(world: World, shop: Tenant) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = asked(world, shop, f"events?limit=3{cursor}")
        seen += [event["event_id"] for event in page["data"]]
        if not page["cursor"]["hasMore"]:
            break
        cursor = f"&beforeTimestamp={page['cursor']['oldestTimestamp']}"
    assert len(seen) == len(set(seen)) == len(VISITS)


def test_a_user_whose_id_ends_like_the_address_of_sessions(world: World, tenant: Tenant) -> None:
    fill(world, tenant, *({"pathname": "/", "user_id": name} for name in ("eve", "eve/sessions")))
    assert asked(world, tenant, "users/eve/sessions")["data"]["user_id"] == "eve/sessions"
    (session,) = asked(world, tenant, "users/eve/sessions/sessions")["data"]
    assert session["user_id"] == "eve/sessions"


READING = (
    *(*OTHER_NAMES, "users/ada", "users/session-count?user_id=ada", "events/count"),
    f"overview?{MARCH}&compare=previous_year",
)
WRITING: tuple[tuple[str, str, object], ...] = (
    ("POST", "goals", {"goalType": "path", "config": {"pathPattern": "/"}}),
    ("PUT", "goals/{goal}", {"goalType": "path", "config": {"pathPattern": "/"}}),
    ("DELETE", "goals/{goal}", None),
    ("POST", "funnels", {"name": "F", "steps": [{"value": "/", "type": "page"}] * 2}),
    ("DELETE", "funnels/{funnel}", None),
    ("PUT", "config", {"name": "Mine"}),
    ("DELETE", "", None),
    ("GET", "drops", None),
    ("GET", "inspector", None),
    ("GET", "excluded-ips", None),
    ("GET", "private-link-config", None),
    ("DELETE", "users/ada", None),
    ("GET", "event-retention", None),
    ("PUT", "event-retention", {"retentionDays": 1}),
    ("GET", "export", None),
)


class TestViewers:
    """Who has the private link, and anybody where the site is public: they read, and change nothing."""

    @pytest.fixture(params=["private link", "public", "stranger's key on a public site"])
    def headers(self, request: pytest.FixtureRequest, world: World, shop: Tenant) -> dict[str, str]:
        if request.param == "private link":
            world.change(shop, public=False)
            body = {"action": "generate_private_link_key"}
            made = call(world, shop, "POST", "private-link-config", body)
            return {"X-Private-Key": json.loads(made.data)["data"]["privateLinkKey"]}
        world.change(shop, public=True)
        stranger = world.add_tenant()
        return {} if request.param == "public" else {"Authorization": f"Bearer {stranger.account_key}"}

    def test_they_read_what_members_read_but_addresses(
        self, world: World, shop: Tenant, headers: dict[str, str]
    ) -> None:
        session = asked(world, shop, "sessions")["data"][0]["session_id"]
        goal = asked(world, shop, "goals")["data"][0]["goalId"]
        for question in (*READING, f"sessions/{session}", f"goals/{goal}/sessions"):
            answer = world.client().get(f"/api/sites/{shop.id}/{question}", headers=headers)
            assert answer.status_code == 200, question
            assert b'"ip"' not in answer.data
            expected = asked(world, shop, question)
            if question == "events":
                assert {event.pop("ip") for event in expected["data"]} == {"203.0.113.5", "2001:db8:de::5"}
            assert json.loads(answer.data) == expected, question
        steps = [{"value": "/", "type": "page"}, {"value": "signup", "type": "event"}]
        for path in ("funnels/analyze", "funnels/1/sessions"):
            place = f"/api/sites/{shop.id}/{path}"
            answer = world.client().post(place, json={"steps": steps}, headers=headers)
            assert answer.status_code == 200
            assert answer.data == call(world, shop, "POST", path, {"steps": steps}).data

    def test_they_change_nothing_and_see_nothing_else(
        self, world: World, shop: Tenant, headers: dict[str, str]
    ) -> None:
        places = {
            "{goal}": asked(world, shop, "goals")["data"][0]["goalId"],
            "{funnel}": asked(world, shop, "funnels")["data"][0]["id"],
        }
        before = everything(world), world.stored(shop)
        for method, path, body in WRITING:
            for name, number in places.items():
                path = path.replace(name, str(number))
            answer = world.client().open(
                f"/api/sites/{shop.id}/{path}".rstrip("/"), method=method, json=body, headers=headers
            )
            assert answer.status_code == (404 if "Authorization" in headers else 401), (method, path)
        assert (everything(world), world.stored(shop)) == before

    def test_a_wrong_link_is_nobodys(self, world: World, shop: Tenant) -> None:
        world.change(shop, public=False)
        for key in ("", "0" * 12, "x", "\u00e4"):
            answer = world.client().get(f"/api/sites/{shop.id}/overview", headers={"X-Private-Key": key})
            assert (answer.status_code, answer.json) == (401, {"error": "Unauthorized"})


def test_filters_of_one_parameter_by_all_names(world: World, shop: Tenant) -> None:
    # As some programs send them: numbers as numbers, one value that is no list, an empty list of filters.
    bare = "filters=" + quote('[{"parameter":"browser_version","type":"equals","value":140}]')
    written = [filters(("browser_version", "equals", version)) for version in (140, "140", ["140", 1])]
    for question in (bare, *written):
        assert asked(world, shop, f"overview?{question}")["data"]["sessions"] == 2
    for empty in ("", "[]", "%20[]%20", "[%20]"):
        assert asked(world, shop, f"overview?filters={empty}")["data"]["sessions"] == 3
