"""Goals and funnels through HTTP: making, changing and ending them, and how many visits they count."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from rybbit.extensions import db
from rybbit.models import Account, AuditEntry, Funnel, Goal
from tests.web.people import Cast, make_cast
from tests.web.statistics import asked, call, done, fields, fill
from tests.web.statistics import count as is_count
from tests.web.statistics import moment as is_moment
from tests.web.world import Tenant, World

PATH_GOAL = {"goalType": "path", "config": {"pathPattern": "/thanks"}}
EVENT_GOAL = {"name": "Signed up", "goalType": "event", "config": {"eventName": "signup"}}
STEPS = [{"value": "/", "type": "page"}, {"value": "signup", "type": "event", "name": "Joined"}]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


def _with_filter(value: object) -> dict[str, Any]:
    return {
        "goalType": "event",
        "config": {"eventName": "e", "propertyFilters": [{"key": "k", "value": value}]},
    }


class TestGoals:
    """`/goals`."""

    def test_from_the_first_to_the_last(self, world: World, tenant: Tenant) -> None:
        fill(world, tenant)
        made = done(call(world, tenant, "POST", "goals", PATH_GOAL), 201)
        assert made == {"success": True, "goalId": made["goalId"]}
        assert is_count(made["goalId"])
        sent = {**EVENT_GOAL, "goalId": made["goalId"], "siteId": None}
        path = f"goals/{made['goalId']}"
        assert done(call(world, tenant, "PUT", path, sent), 200) == made
        answer = asked(world, tenant, "goals")
        (goal,) = answer["data"]
        assert is_moment(goal.pop("createdAt"))
        assert goal == {
            "goalId": made["goalId"],
            "siteId": tenant.site_id,
            **EVENT_GOAL,
            "total_conversions": 2,
            "total_sessions": 3,
            "conversion_rate": 2 / 3,
        }
        assert answer["meta"] == {"total": 1, "page": 1, "pageSize": 10, "totalPages": 1}
        users = [row["user_id"] for row in asked(world, tenant, f"{path}/sessions")["data"]]
        assert users == ["ada", "ada"]
        assert len(asked(world, tenant, f"{path}/sessions?limit=1&page=2")["data"]) == 1
        assert asked(world, tenant, f"{path}/sessions?start_date=2027-01-01")["data"] == []
        assert done(call(world, tenant, "DELETE", path), 200) == {"success": True}
        for method, body in (("DELETE", None), ("PUT", PATH_GOAL), ("GET", None)):
            ending = "/sessions" if method == "GET" else ""
            refused = done(call(world, tenant, method, path + ending, body), 404)
            assert refused == {"error": "Goal not found"}

    def test_pages_of_them(self, world: World, tenant: Tenant) -> None:
        names = ["b", "c", None, "a"]
        ids = [
            done(call(world, tenant, "POST", "goals", PATH_GOAL | ({"name": name} if name else {})), 201)[
                "goalId"
            ]
            for name in names
        ]

        def shown(question: str) -> list[int]:
            return [row["goalId"] for row in asked(world, tenant, f"goals?{question}")["data"]]

        assert shown("") == ids[::-1]
        assert shown("sort=goalId&order=asc") == ids
        assert shown("sort=createdAt&order=asc&page_size=3") == ids[:3]
        assert shown("sort=goalId&order=asc&page_size=3&page=2") == ids[3:]
        assert shown("page=9") == []
        named = [each for each in shown("sort=name&order=desc") if names[ids.index(each)]]
        assert named == [ids[1], ids[0], ids[3]]
        meta = asked(world, tenant, "goals?page_size=3&page=2")["meta"]
        assert meta == {"total": 4, "page": 2, "pageSize": 3, "totalPages": 2}

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"goalType": "path", "config": {}}, ["", "A goal of type path needs config.pathPattern"]),
            ({"goalType": "event", "config": {}}, ["", "A goal of type event needs config.eventName"]),
            ({"goalType": "event", "config": {"pathPattern": "/"}}, ["", "config.eventName"]),
            (
                {"goalType": "event", "config": {"eventName": "e", "eventPropertyKey": "k"}},
                ["config", "eventPropertyKey and eventPropertyValue come together"],
            ),
            ({"goalType": "both", "config": {}}, ["goalType", "path"]),
            ({"config": {"pathPattern": "/"}}, ["goalType", "Required"]),
            ({"goalType": "path"}, ["config", "Required"]),
            ({"goalType": "path", "config": {"pathPattern": ""}}, ["config", "pathPattern"]),
            ({"goalType": "path", "config": {"pathPattern": 5}}, ["config", "pathPattern"]),
            ({"goalType": "path", "config": {"pathPattern": "/\0"}}, ["config", "pathPattern"]),
            ({"goalType": "path", "config": {"pathPattern": "/\ud800"}}, ["config", "pathPattern"]),
            ({"goalType": "path", "config": {"pathPattern": "/" + "*a" * 300}}, ["config", "512 characters"]),
            ({"goalType": "path", "config": {"pathPattern": "/", "typo": 1}}, ["config", "typo"]),
            ({**PATH_GOAL, "name": "x" * 256}, ["name", "255"]),
            ({**PATH_GOAL, "typo": 1}, ["typo", "Unrecognized field"]),
            (
                {"goalType": "event", "config": {"eventName": "e", "propertyFilters": [{"key": "k"}]}},
                ["config", "propertyFilters"],
            ),
            (
                {
                    "goalType": "event",
                    "config": {"eventName": "e", "propertyFilters": [{"key": "k", "value": None}]},
                },
                ["config", "propertyFilters"],
            ),
            ([], ["", "object"]),
            (None, ["", "JSON"]),
        ],
    )
    def test_what_is_refused_is_named(
        self, world: World, tenant: Tenant, body: object, named: list[str]
    ) -> None:
        goal = done(call(world, tenant, "POST", "goals", PATH_GOAL), 201)["goalId"]
        before = asked(world, tenant, "goals")
        for answer in (
            call(world, tenant, "POST", "goals", body),
            call(world, tenant, "PUT", f"goals/{goal}", body),
        ):
            found = fields(answer)
            assert list(found) == named[:1]
            assert named[1] in " ".join(found[named[0]])
        assert asked(world, tenant, "goals") == before

    @pytest.mark.parametrize("number", ["1e400", "NaN", "Infinity", "-Infinity", "9" * 5000, "[" * 5000])
    def test_numbers_that_are_none(self, world: World, tenant: Tenant, number: str) -> None:
        body = json.dumps(_with_filter("HERE")).replace('"HERE"', number)
        answer = world.client().post(
            f"/api/sites/{tenant.id}/goals",
            data=body,
            headers={"Authorization": f"Bearer {tenant.account_key}"},
        )
        assert fields(answer)

    def test_only_its_own_sites(self, world: World, tenant: Tenant, shop: Tenant) -> None:
        goal = done(call(world, tenant, "POST", "goals", PATH_GOAL), 201)["goalId"]
        funnel = done(call(world, tenant, "POST", "funnels", {"name": "F", "steps": STEPS}), 201)["funnelId"]
        calls = [
            ("PUT", f"goals/{goal}", PATH_GOAL, "Goal not found"),
            ("DELETE", f"goals/{goal}", None, "Goal not found"),
            ("GET", f"goals/{goal}/sessions", None, "Goal not found"),
            ("DELETE", f"funnels/{funnel}", None, "Funnel not found"),
            ("POST", "funnels", {"name": "F", "steps": STEPS, "reportId": funnel}, "Funnel not found"),
        ]
        calls += [("DELETE", f"goals/{each}", None, "Goal not found") for each in ("0", "x", "-1", "9" * 30)]
        for method, path, body, message in calls:
            assert done(call(world, shop, method, path, body), 404) == {"error": message}
        assert len(asked(world, tenant, "goals")["data"]) == len(asked(world, tenant, "funnels")["data"]) == 1

    def test_they_go_with_their_site(self, world: World, tenant: Tenant) -> None:
        done(call(world, tenant, "POST", "goals", PATH_GOAL), 201)
        done(call(world, tenant, "POST", "funnels", {"name": "F", "steps": STEPS}), 201)
        assert world.client().delete(
            f"/api/sites/{tenant.id}", headers={"Authorization": f"Bearer {tenant.account_key}"}
        ).json == {"success": True}
        with world.app.app_context():
            for model in (Goal, Funnel):
                left = db.session.scalars(select(model).where(model.site_id == tenant.site_id)).all()
                assert left == []
        assert call(world, tenant, "GET", "goals").status_code == 404


@pytest.fixture(scope="module")
def cast(world: World) -> Cast:
    return make_cast(world, public=True)


def test_every_change_is_written_down(world: World, cast: Cast) -> None:
    goal = json.loads(cast.call("member", "POST", "/api/sites/{site}/goals", PATH_GOAL).data)["goalId"]
    cast.call("owner", "PUT", f"/api/sites/{{site}}/goals/{goal}", EVENT_GOAL)
    cast.call("admin", "DELETE", f"/api/sites/{{site}}/goals/{goal}")
    body = {"name": "Way", "steps": STEPS}
    funnel = json.loads(cast.call("member", "POST", "/api/sites/{site}/funnels", body).data)["funnelId"]
    cast.call("owner", "POST", "/api/sites/{site}/funnels", {**body, "name": "Road", "reportId": funnel})
    cast.call("member in a browser", "DELETE", f"/api/sites/{{site}}/funnels/{funnel}")
    with world.app.app_context():
        query = select(AuditEntry).where(AuditEntry.site_id == cast.site_id).order_by(AuditEntry.id)
        rows = db.session.scalars(query).all()
        written = [(row.action, row.target) for row in rows]
        assert len({row.actor_name for row in rows[-6:]}) >= 3
    assert written[-6:] == [
        ("goal.create", "/thanks"),
        ("goal.update", "Signed up"),
        ("goal.delete", "Signed up"),
        ("funnel.create", "Way"),
        ("funnel.update", "Road"),
        ("funnel.delete", "Road"),
    ]


def test_no_more_than_there_is_room_for(world: World, cast: Cast) -> None:
    with world.app.app_context():
        assert db.session.get(Account, cast.accounts["owner"]) is not None
        for number in range(200):
            db.session.add(Goal(site_id=cast.site_id, goal_type="path", config={"pathPattern": f"/{number}"}))
            db.session.add(Funnel(site_id=cast.site_id, name="F", steps=STEPS))
        db.session.commit()
    answer = cast.call("owner", "POST", "/api/sites/{site}/goals", PATH_GOAL)
    assert done(answer, 409) == {"success": False, "error": "A site can have 200 goals"}
    answer = cast.call("owner", "POST", "/api/sites/{site}/funnels", {"name": "F", "steps": STEPS})
    assert done(answer, 409) == {"success": False, "error": "A site can have 200 funnels"}
    assert cast.call("owner", "GET", "/api/sites/{site}/goals?page_size=100").status_code == 200
