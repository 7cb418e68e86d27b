"""Every route of a site or organization, asked by everybody; and that a refusal changes nothing."""

import json
from dataclasses import dataclass

import pytest

from rybbit.extensions import db
from rybbit.models import Organization, Role, Scope, Site
from rybbit.services import funnels, goals, invitations, keys
from rybbit.web.api.description import operation_of
from tests.web.people import ADMINS, MEMBERS, STRANGERS, UNKNOWN, Cast, everything, make_cast
from tests.web.world import World

SITE = "Site not found"
ORGANIZATION = "Organization not found"


@dataclass(frozen=True)
class Route:
    """A call, the least role that it needs, and what it answers; `scope` None: no key with scopes may."""

    method: str
    path: str
    role: Role = Role.ADMIN
    scope: Scope | None = None
    body: object = None
    status: int = 200
    missing: str = SITE

    @property
    def other_scopes(self) -> list[Scope]:
        """Every scope but those that let a key do this."""
        # Whether there is any event may be asked with either reading scope.
        enough = {self.scope, READ if self.path.endswith("/has-data") else None}
        return [scope for scope in Scope if scope not in enough]

    @property
    def writes(self) -> bool:
        """Whether it changes anything; what a reading scope allows does not."""
        return self.method != "GET" and self.scope not in (READ, STATS)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


READ, WRITE, STATS = Scope.SITES_READ, Scope.SITES_WRITE, Scope.STATS_READ
NEW_SITE = {"name": "New", "domain": "new.example.com"}
LINK = {"action": "generate_private_link_key"}

GOAL = {"goalType": "path", "config": {"pathPattern": "/thanks"}}
FUNNEL = {"name": "Way", "steps": [{"type": "page", "value": "/"}, {"type": "event", "value": "paid"}]}
READINGS = (
    *("overview-bucketed", "overview/time-series", "metric?parameter=browser", "page-titles"),
    *("sessions", "session-locations", "sessions/locations", "users", "users/session-count?user_id=x"),
    *("retention", "journeys", "events/names", "events/properties?event_name=x", "events/outbound"),
    *("events/bucketed", "events/time-series", "events/count", "goals", "funnels"),
    *("performance/overview", "performance/time-series", "performance/by-dimension?dimension=browser"),
    *("error-names", "errors/names", "error-events?error_message=x", "errors/events?error_message=x"),
    *("error-bucketed?error_message=x", "errors/time-series?error_message=x"),
    *("sessions/{session}", "users/{user}"),
    *("user-traits/keys", "user-traits/values?key=x", "user-traits/users?key=x&value=y"),
)

ROUTES = [
    Route("GET", "/api/sites/{site}", Role.MEMBER, READ),
    Route("PUT", "/api/sites/{site}/config", Role.ADMIN, WRITE, {"name": "Changed"}),
    Route("DELETE", "/api/sites/{site}", Role.ADMIN, WRITE),
    Route("GET", "/api/sites/{site}/excluded-ips", Role.MEMBER, READ),
    Route("GET", "/api/sites/{site}/excluded-countries", Role.MEMBER, READ),
    Route("GET", "/api/sites/{site}/private-link-config", Role.MEMBER, READ),
    Route("POST", "/api/sites/{site}/private-link-config", Role.ADMIN, WRITE, LINK),
    Route("POST", "/api/sites/{site}/exclusions/test", Role.MEMBER, READ, {}),
    Route("GET", "/api/sites/{site}/audit", Role.ADMIN, READ),
    Route("GET", "/api/sites/{site}/members", Role.ADMIN, READ),
    Route("PUT", "/api/sites/{site}/members", Role.ADMIN, None, {"restricted": False}),
    Route("GET", "/api/sites/{site}/has-data", Role.MEMBER, STATS),
    Route("GET", "/api/sites/{site}/overview", Role.MEMBER, STATS),
    Route("GET", "/api/sites/{site}/events", Role.MEMBER, STATS),
    Route("GET", "/api/sites/{site}/live-user-count", Role.MEMBER, STATS),
    *(Route("GET", f"/api/sites/{{site}}/{path}", Role.MEMBER, STATS) for path in READINGS),
    Route("GET", "/api/sites/{site}/event-retention", Role.MEMBER, READ),
    Route("PUT", "/api/sites/{site}/event-retention", Role.ADMIN, WRITE, {"retentionDays": 30}),
    Route("DELETE", "/api/sites/{site}/users/{user}", Role.ADMIN, WRITE),
    Route("GET", "/api/sites/{site}/export", Role.MEMBER, STATS),
    Route("GET", "/api/sites/{site}/goals/{goal}/sessions", Role.MEMBER, STATS),
    Route("POST", "/api/sites/{site}/goals", Role.MEMBER, WRITE, GOAL, 201),
    Route("PUT", "/api/sites/{site}/goals/{goal}", Role.MEMBER, WRITE, GOAL),
    Route("DELETE", "/api/sites/{site}/goals/{goal}", Role.MEMBER, WRITE),
    Route("POST", "/api/sites/{site}/funnels", Role.MEMBER, WRITE, FUNNEL, 201),
    Route("POST", "/api/sites/{site}/funnels/analyze", Role.MEMBER, STATS, FUNNEL),
    Route("POST", "/api/sites/{site}/funnels/{step}/sessions", Role.MEMBER, STATS, FUNNEL),
    Route("DELETE", "/api/sites/{site}/funnels/{funnel}", Role.MEMBER, WRITE),
    Route("GET", "/api/sites/{site}/drops", Role.MEMBER, STATS),
    Route("GET", "/api/sites/{site}/inspector", Role.MEMBER, STATS),
    Route("POST", "/api/sites/{org}", Role.ADMIN, WRITE, NEW_SITE, 201, ORGANIZATION),
    Route("POST", "/api/organizations/{org}/sites", Role.ADMIN, WRITE, NEW_SITE, 201, ORGANIZATION),
    Route("GET", "/api/organizations/{org}/sites", Role.MEMBER, READ, missing=ORGANIZATION),
    Route("PUT", "/api/organizations/{org}", Role.ADMIN, None, {"name": "New"}, missing=ORGANIZATION),
    Route("GET", "/api/organizations/{org}/members", Role.MEMBER, READ, missing=ORGANIZATION),
    Route(
        "PUT",
        "/api/organizations/{org}/members/{member}",
        Role.ADMIN,
        None,
        {"role": "admin"},
        missing=ORGANIZATION,
    ),
    Route("DELETE", "/api/organizations/{org}/members/{other member}", missing=ORGANIZATION),
    Route("GET", "/api/organizations/{org}/invitations", missing=ORGANIZATION),
    Route("POST", "/api/organizations/{org}/invitations", body={}, status=201, missing=ORGANIZATION),
    Route("DELETE", "/api/organizations/{org}/invitations/{invitation}", missing=ORGANIZATION),
    Route("GET", "/api/organizations/{org}/keys", missing=ORGANIZATION),
    Route("POST", "/api/organizations/{org}/keys", body={"name": "K"}, status=201, missing=ORGANIZATION),
    Route("DELETE", "/api/organizations/{org}/keys/{key}", missing=ORGANIZATION),
    Route("GET", "/api/organizations/{org}/audit", Role.ADMIN, READ, missing=ORGANIZATION),
]


@pytest.fixture
def cast(cast: Cast) -> Cast:
    """With an invitation and a key of the organization, to be ended."""
    return add_things(cast)


def make_own(world: World) -> Cast:
    """Another site with everybody around it."""
    return add_things(make_cast(world))


def add_things(cast: Cast) -> Cast:
    with cast.world.app.app_context():
        organization = db.session.get_one(Organization, cast.organization_id)
        cast.things["invitation"] = invitations.create_invitation(organization)[0].id
        site = db.session.get_one(Site, cast.site_id)
        cast.things["goal"] = str(goals.create_goal(site, GOAL).id)
        cast.things["funnel"] = str(funnels.save_funnel(site, FUNNEL).id)
        cast.things["step"] = "1"
        cast.things["key"] = keys.create_organization_key(organization)[0].id
        db.session.commit()
    event = {"site_id": str(cast.site_id), "user_id": "somebody"}
    assert cast.call("owner", "POST", "/api/track", event).status_code == 200
    (seen,) = json.loads(cast.call("owner", "GET", "/api/sites/{site}/events").data)["data"]
    cast.things |= {"session": seen["session_id"], "user": seen["user_id"]}
    return cast


def test_every_described_route_of_a_site_or_organization_is_in_the_table(cast: Cast) -> None:
    rules = cast.world.app.url_map.iter_rules()
    there = {
        (method, rule.rule.replace("<organization_id>", "{org}").replace("<site_id>", "{site}"))
        for rule in rules
        if rule.rule.startswith(("/api/sites/<", "/api/organizations/<"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    named = {"{member}": "<account_id>", "{other member}": "<account_id>"}
    named |= {"{invitation}": "<invitation_id>", "{key}": "<key_id>", "{goal}": "<goal_id>"}
    named |= {"{funnel}": "<funnel_id>", "{step}": "<int:step_number>"}
    named |= {"{session}": "<session_id>", "{user}": "<user:user_id>"}
    tested = set()
    for route in ROUTES:
        path = route.path.partition("?")[0]
        for name, place in named.items():
            path = path.replace(name, place)
        tested.add((route.method, path))
    assert tested == there


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_who_may_not_is_told_in_one_order_and_changes_nothing(cast: Cast, route: Route) -> None:
    cast.keys["small key"] = cast.limited_key(*route.other_scopes)
    strangers = [name for name in STRANGERS if name != "other member" or route.missing is SITE]
    refusals: dict[str, tuple[int, dict[str, str]]] = {
        **dict.fromkeys(UNKNOWN, (401, {"error": "Unauthorized"})),
        **dict.fromkeys(strangers, (404, {"error": route.missing})),
        **(dict.fromkeys(MEMBERS, (403, {"error": "Forbidden"})) if route.role is Role.ADMIN else {}),
        "small key": (403, {"error": "Insufficient scope", "required": route.scope or "all"}),
    }
    # A body that fits nothing: whoever is refused anyway is not told about it.
    body = None if route.method in ("GET", "DELETE") else {"no such field": 1}
    before = everything(cast.world)
    for caller, (status, text) in refusals.items():
        answer = cast.call(caller, route.method, route.path, body)
        assert (answer.status_code, json.loads(answer.data)) == (status, text), caller
    assert everything(cast.world) == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_who_may_gets_it(cast: Cast, route: Route) -> None:
    allowed = list(ADMINS if route.role is Role.ADMIN else (*ADMINS, *MEMBERS))
    if route.scope is not None:
        allowed.append("fitting key")
    for number, caller in enumerate(allowed):
        # What can be ended once is ended in another organization each time.
        own = make_own(cast.world) if route.method == "DELETE" else cast
        own.keys["fitting key"] = own.limited_key(route.scope or Scope.TRACK)
        body = {"name": "New", "domain": f"n{number}.{own.domain}"} if route.body is NEW_SITE else route.body
        answer = own.call(caller, route.method, route.path, body)
        assert answer.status_code == route.status, (caller, answer.data)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_what_does_not_exist_looks_like_what_is_none_of_ones_business(cast: Cast, route: Route) -> None:
    nowhere = route.path.replace("{site}", "999999").replace("{org}", "org_" + "0" * 24)
    for caller in ("owner", "stranger", "organization key"):
        answer = cast.call(caller, route.method, nowhere, route.body)
        assert (answer.status_code, json.loads(answer.data)) == (404, {"error": route.missing}), caller
    for caller in UNKNOWN:
        answer = cast.call(caller, route.method, nowhere, route.body)
        assert (answer.status_code, json.loads(answer.data)) == (401, {"error": "Unauthorized"}), caller


@pytest.mark.parametrize("route", [route for route in ROUTES if route.writes], ids=str)
def test_a_browser_needs_its_own_token_for_writes(cast: Cast, route: Route) -> None:
    owner = cast.client("owner in a browser")
    other = cast.client("admin in a browser")
    others = json.loads(other.get("/api/auth/session").data)["csrfToken"]
    before = everything(cast.world)
    for headers in ({}, {"X-CSRFToken": ""}, {"X-CSRFToken": "x"}, {"X-CSRFToken": others}):
        answer = owner.open(cast.fill(route.path), method=route.method, json=route.body, headers=headers)
        assert answer.status_code == 403
        assert json.loads(answer.data) == {"error": "CSRF token missing or wrong"}
    assert everything(cast.world) == before


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.writes], ids=str)
def test_a_browser_needs_no_token_for_reading(cast: Cast, route: Route) -> None:
    before = everything(cast.world)
    owner = cast.client("owner in a browser")
    answer = owner.open(cast.fill(route.path), method=route.method, json=route.body)
    assert answer.status_code == route.status
    assert everything(cast.world) == before


def test_every_view_of_the_api_is_described(cast: Cast) -> None:
    views = cast.world.app.view_functions
    undescribed = {
        rule.endpoint
        for rule in cast.world.app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        and operation_of(views[rule.endpoint]) is None
        # What has another name is described under the one that it has here.
        and not rule.endpoint.startswith("aliases.")
    }
    assert undescribed == {"openapi.openapi", "script.script", "track.preflight"}
