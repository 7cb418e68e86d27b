"""Which visits reach goals and come through funnels, asked through HTTP."""

from typing import Any

import pytest

from tests.web.statistics import VISITS, asked, call, done, fields, fill, filters, mismatches
from tests.web.statistics import count as is_count
from tests.web.statistics import moment as is_moment
from tests.web.statistics import nothing as is_nothing
from tests.web.statistics import text as is_text
from tests.web.world import Tenant, World

STEPS: list[dict[str, Any]] = [
    {"value": "/", "type": "page"},
    {"value": "signup", "type": "event", "name": "Joined"},
]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


# Paths that mean something else in a regular expression, each visited once.
ODD_PATHS = (
    "/a.b",
    "/axb",
    "/a+",
    "/aa",
    "/(x)",
    "/[ab]",
    "/a|b",
    "/^$",
    "/a\\d",
    "/ä/ö",
    "/a b",
    "/a\nb",
    "/a*b",
)


@pytest.fixture(scope="module")
def odd(world: World) -> Tenant:
    """A site with one visit of each odd path, and of some that lie below each other."""
    tenant = world.add_tenant()
    deep = ("/docs", "/docs/", "/docs/a", "/docs/a/b", "/docs/a/b/c")
    fill(world, tenant, *(_visit(path) for path in (*ODD_PATHS, *deep)))
    return tenant


class TestConversions:
    """Which visits a pattern or property fits."""

    @pytest.mark.parametrize("path", ODD_PATHS[:-1])
    def test_a_path_means_itself(self, world: World, odd: Tenant, path: str) -> None:
        assert _reached(world, odd, {"pathPattern": path}) == 1

    @pytest.mark.parametrize(
        ("pattern", "visits"),
        [
            ("/docs/*", 1),
            ("/docs/**", 4),
            ("/docs**", 5),
            ("/docs/*/b", 1),
            ("/docs/*/*", 1),
            ("/docs/**/c", 1),
            ("/docs/**b**", 2),
            ("/d*s", 1),
            ("*", 0),
            ("/*", 13),
            ("**", 18),
            ("/docs", 1),
            ("docs", 0),
            ("/DOCS", 0),
            ("/a*b", 6),
            ("/a**b", 6),
            ("/*/ö", 1),
        ],
    )
    def test_stars(self, world: World, odd: Tenant, pattern: str, visits: int) -> None:
        assert _reached(world, odd, {"pathPattern": pattern}) == visits

    @pytest.mark.parametrize(
        ("properties", "visits"),
        [
            ({"plan": "pro"}, 1),
            ({"plan": "PRO"}, 0),
            ({"seats": 3}, 1),
            ({"seats": 3.0}, 1),
            ({"seats": "3"}, 1),
            ({"seats": 3.5}, 1),
            ({"seats": "3.50"}, 0),
            ({"new": True}, 1),
            ({"new": "true"}, 1),
            ({"new": False}, 0),
            ({"note": "null"}, 0),
            ({"gone": ""}, 2),
            ({"plan": "pro", "seats": 3}, 1),
            ({"plan": "basic", "seats": 3}, 0),
            ({"plan": 1}, 0),
            ({"seats": 1e300}, 0),
            ({"'); drop table events; --": "x"}, 0),
            ({"plan": "x" * 2048}, 0),
        ],
    )
    def test_properties(self, world: World, shop: Tenant, properties: dict[str, Any], visits: int) -> None:
        wanted = [{"key": key, "value": value} for key, value in properties.items()]
        assert _reached(world, shop, {"eventName": "signup", "propertyFilters": wanted}) == visits
        if len(properties) == 1:
            ((key, value),) = properties.items()
            named = {"eventPropertyKey": key, "eventPropertyValue": value}
            assert _reached(world, shop, {"eventName": "signup", **named}) == visits

    def test_properties_of_a_page_are_those_of_its_address(self, world: World, shop: Tenant) -> None:
        for value, visits in (("red shoes", 1), ("red", 0)):
            wanted = [{"key": "q", "value": value}]
            assert _reached(world, shop, {"pathPattern": "/**", "propertyFilters": wanted}) == visits


def _visit(path: str) -> dict[str, Any]:
    return {"timestamp": "2026-03-01T09:00:00Z", "user_id": path, "pathname": path}


def _reached(world: World, tenant: Tenant, config: dict[str, Any]) -> int:
    """The visits of a goal; as many as come through a funnel of the same twice over."""
    kind = "path" if "pathPattern" in config else "event"
    goal = done(call(world, tenant, "POST", "goals", {"goalType": kind, "config": config}), 201)["goalId"]
    rows = asked(world, tenant, "goals?page_size=1")["data"]
    sessions = asked(world, tenant, f"goals/{goal}/sessions?limit=100")["data"]
    done(call(world, tenant, "DELETE", f"goals/{goal}"), 200)
    found = rows[0]["total_conversions"]
    assert isinstance(found, int)
    assert len(sessions) == found
    rest = {key: value for key, value in config.items() if key not in ("pathPattern", "eventName")}
    value = config.get("pathPattern") or config["eventName"]
    step = {"type": "page" if kind == "path" else "event", "value": value, **rest}
    rows = done(call(world, tenant, "POST", "funnels/analyze", {"steps": [step, step]}), 200)["data"]
    assert rows[0]["visitors"] == found
    return found


class TestFunnels:
    """`/funnels`."""

    def test_from_the_first_to_the_last(self, world: World, tenant: Tenant) -> None:
        made = done(call(world, tenant, "POST", "funnels", {"name": "Way", "steps": STEPS}), 201)
        assert made == {"success": True, "funnelId": made["funnelId"]}
        replaced = {"name": "Road", "steps": STEPS[::-1], "reportId": made["funnelId"]}
        assert done(call(world, tenant, "POST", "funnels", replaced), 201) == made
        other = done(call(world, tenant, "POST", "funnels", {"name": "Way", "steps": STEPS}), 201)["funnelId"]
        rows = asked(world, tenant, "funnels")["data"]
        shape = {
            "id": is_count,
            "name": is_text,
            "steps": [lambda step: isinstance(step, dict)],
            "configuration": lambda value: isinstance(value, dict),
            **dict.fromkeys(("createdAt", "updatedAt"), is_moment),
            **dict.fromkeys(("conversionRate", "totalVisitors"), is_nothing),
        }
        assert list(mismatches(rows, [shape])) == []
        assert [(row["id"], row["name"], row["steps"]) for row in rows] == [
            (made["funnelId"], "Road", STEPS[::-1]),
            (other, "Way", STEPS),
        ]
        assert done(call(world, tenant, "DELETE", f"funnels/{other}"), 200) == {"success": True}
        assert done(call(world, tenant, "DELETE", f"funnels/{other}"), 404) == {"error": "Funnel not found"}

    def test_how_far_visits_come(self, world: World, shop: Tenant) -> None:
        def rows(question: str, steps: object = STEPS) -> Any:
            answer = call(world, shop, "POST", f"funnels/analyze{question}", {"steps": steps, "name": "x"})
            return done(answer, 200)["data"]

        first, second = rows("")
        assert (first["step_number"], first["step_name"], first["visitors"]) == (1, "/", 2)
        assert (first["conversion_rate"], first["dropoff_rate"]) == (100.0, 0.0)
        assert (second["step_number"], second["step_name"], second["visitors"]) == (2, "Joined", 1)
        assert (second["conversion_rate"], second["dropoff_rate"]) == (50.0, 50.0)
        assert [row["visitors"] for row in rows("?start_date=2026-03-02")] == [0, 0]
        german = filters(("country", "equals", "DE"))
        assert [row["visitors"] for row in rows(f"?{german}")] == [1, 0]
        hosts = [{**STEPS[0], "hostname": "shop.example"}, {**STEPS[0], "hostname": "elsewhere.example"}]
        assert [row["visitors"] for row in rows("", hosts)] == [2, 0]

    def test_who_came_how_far(self, world: World, shop: Tenant) -> None:
        def found(number: int, mode: str) -> list[str]:
            path = f"funnels/{number}/sessions?mode={mode}"
            rows = done(call(world, shop, "POST", path, {"steps": STEPS}), 200)["data"]
            return [row["session_start"] for row in rows]

        first, second = (VISITS[place]["timestamp"].replace("Z", ".000Z") for place in (0, 7))
        assert found(1, "reached") == [second, first]
        assert found(2, "") == [first]
        assert found(1, "dropped") == [second]
        assert found(2, "dropped") == []
        for number in ("0", "3", "99999999999999999999"):
            answer = call(world, shop, "POST", f"funnels/{number}/sessions", {"steps": STEPS})
            assert fields(answer) == {"stepNumber": ["Must be from 1 to 2"]}
        assert call(world, shop, "POST", "funnels/-1/sessions", {"steps": STEPS}).status_code == 404
        assert list(fields(call(world, shop, "POST", "funnels/1/sessions?mode=x", {"steps": STEPS}))) == [
            "mode"
        ]

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"name": "F", "steps": STEPS[:1]}, ["steps", "At least 2 steps are required for a funnel"]),
            ({"name": "F", "steps": []}, ["steps", "At least 2 steps are required for a funnel"]),
            ({"name": "F"}, ["steps", "Required"]),
            ({"name": "F", "steps": "x"}, ["steps", "array"]),
            ({"name": "F", "steps": [1, 2]}, ["steps", "object"]),
            ({"name": "F", "steps": STEPS * 11}, ["steps", "20"]),
            ({"name": "F", "steps": [STEPS[0], {"value": "/"}]}, ["steps", "[1][type]: Required"]),
            ({"name": "F", "steps": [STEPS[0], {"value": "x", "type": "click"}]}, ["steps", "[1][type]"]),
            (
                {"name": "F", "steps": [STEPS[0], {"value": "*" * 600, "type": "page"}]},
                ["steps", "512 characters"],
            ),
            (
                {"name": "F", "steps": [STEPS[0], {**STEPS[1], "eventPropertyKey": "k"}]},
                ["steps", "together"],
            ),
            ({"name": "F", "steps": [STEPS[0], {**STEPS[1], "typo": 1}]}, ["steps", "typo"]),
            ({"name": "F", "steps": STEPS, "typo": 1}, ["typo", "Unrecognized field"]),
            ({"name": "F", "steps": STEPS, "reportId": "1"}, ["reportId", "integer"]),
        ],
    )
    def test_what_is_refused_is_named(
        self, world: World, shop: Tenant, body: object, named: list[str]
    ) -> None:
        for path in ("funnels", "funnels/analyze", "funnels/1/sessions"):
            found = fields(call(world, shop, "POST", path, body))
            assert list(found) == named[:1], path
            assert named[1] in " ".join(found[named[0]])

    def test_a_funnel_needs_a_name_to_be_kept(self, world: World, shop: Tenant) -> None:
        for name in ({}, {"name": ""}, {"name": "  "}, {"name": None}):
            found = fields(call(world, shop, "POST", "funnels", {**name, "steps": STEPS}))
            assert found == {"name": ["Funnel name is required"]}
        assert asked(world, shop, "funnels") == {"data": []}
