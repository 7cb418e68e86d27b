"""Making, showing, changing and deleting sites: shapes, messages, limits."""

import json
import re
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from rybbit.extensions import db
from tests.web.people import Cast, everything
from tests.web.world import PEER, World

DEFAULTS = {
    "public": False,
    "saltUserIds": False,
    "blockBots": True,
    "sessionReplay": False,
    "webVitals": False,
    "trackErrors": False,
    "trackOutbound": True,
    "trackUrlParams": True,
    "trackInitialPageView": True,
    "trackSpaNavigation": True,
    "trackIp": False,
}
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def content(answer: TestResponse) -> Any:
    """The JSON of an answer."""
    assert answer.content_type == "application/json"
    return json.loads(answer.data)


def make_site(cast: Cast, **settings: Any) -> TestResponse:
    """Make a site as the owner."""
    return cast.call("owner", "POST", "/api/organizations/{org}/sites", settings)


def change(cast: Cast, body: object) -> TestResponse:
    """Change the site's settings as the owner."""
    return cast.call("owner", "PUT", "/api/sites/{site}/config", body)


def test_a_site_is_shown_as_the_contract_says(cast: Cast) -> None:
    shown = content(cast.call("owner", "GET", "/api/sites/{site}"))
    assert re.fullmatch(MOMENT, shown.pop("createdAt"))
    assert re.fullmatch(MOMENT, shown.pop("updatedAt"))
    site = cast.site()
    assert site is not None
    assert shown == {
        "siteId": cast.site_id,
        "id": cast.id,
        "name": site["name"],
        "domain": cast.domain,
        "organizationId": cast.organization_id,
        "createdBy": site["created_by"],
        "isOwner": True,
        **DEFAULTS,
    }


@pytest.mark.parametrize(
    ("caller", "owns"),
    [("owner", True), ("admin", False), ("member", False), ("organization key", False)],
)
def test_is_owner_is_about_the_caller(cast: Cast, caller: str, owns: bool) -> None:
    assert content(cast.call(caller, "GET", "/api/sites/{site}"))["isOwner"] is owns


def test_both_identifiers_name_the_site(cast: Cast) -> None:
    by_number = content(cast.call("owner", "GET", f"/api/sites/{cast.site_id}"))
    assert content(cast.call("owner", "GET", f"/api/sites/{cast.id}")) == by_number


@pytest.mark.parametrize(
    "identifier",
    [
        "0",
        "-1",
        "999999999999999999999",
        "１",
        "0x1",
        "1.0",
        "g" * 12,
        "a",
        "%00",
        "a%00b",
        "%ED%A0%80",
        "１" * 12,
    ],
)
def test_odd_identifiers_name_no_site(cast: Cast, identifier: str) -> None:
    answer = cast.call("owner", "GET", f"/api/sites/{identifier}")
    assert (answer.status_code, content(answer)) == (404, {"error": "Site not found"})


@pytest.mark.parametrize("path", ["/api/sites/{org}", "/api/organizations/{org}/sites"])
@pytest.mark.parametrize("caller", ["owner", "admin", "organization key"])
def test_a_site_is_made(cast: Cast, path: str, caller: str) -> None:
    answer = cast.call(caller, "POST", path, {"name": " New ", "domain": f"https://Made.{cast.domain}/"})
    assert answer.status_code == 201
    made = content(answer)
    assert re.fullmatch("[0-9a-f]{12}", made["id"])
    assert not made["id"].isdigit()
    assert re.fullmatch(MOMENT, made.pop("createdAt"))
    assert re.fullmatch(MOMENT, made.pop("updatedAt"))
    assert isinstance(made.pop("siteId"), int)
    creator = made.pop("createdBy")
    assert creator == cast.accounts[caller] if caller in cast.accounts else creator.startswith("key_")
    assert made == {
        "id": made["id"],
        "name": "New",
        "domain": f"made.{cast.domain}",
        "organizationId": cast.organization_id,
        **DEFAULTS,
    }


def test_a_site_is_made_with_every_setting(cast: Cast) -> None:
    opposite = {name: not value for name, value in DEFAULTS.items()}
    lists = {"excludedIPs": ["10.0.0.0/8"], "excludedCountries": ["XK"]}
    made = content(make_site(cast, name="N", domain=f"full.{cast.domain}", **opposite, **lists))
    assert {name: made[name] for name in DEFAULTS} == opposite
    for path, name in (("excluded-ips", "excludedIPs"), ("excluded-countries", "excludedCountries")):
        listed = content(cast.call("owner", "GET", f"/api/sites/{made['siteId']}/{path}"))
        assert listed == {"success": True, name: lists[name]}


INVALID = "Invalid request data"
BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"name": 5}, "name"),
    ({"name": ""}, "name"),
    ({"name": "  "}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"name": None}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"domain": "localhost"}, "domain"),
    ({"domain": "example.com/path"}, "domain"),
    ({"domain": "example.com:80"}, "domain"),
    ({"domain": "127.0.0.1"}, "domain"),
    ({"domain": ""}, "domain"),
    ({"domain": 5}, "domain"),
    ({"public": "yes"}, "public"),
    ({"public": 1}, "public"),
    ({"blockBots": None}, "blockBots"),
    ({"trackIp": []}, "trackIp"),
    ({"excludedIPs": "10.0.0.1"}, "excludedIPs"),
    ({"excludedIPs": [5]}, "excludedIPs"),
    ({"excludedIPs": ["10.0.0.1"] * 101}, "excludedIPs"),
    ({"excludedCountries": ["de"]}, "excludedCountries"),
    ({"excludedCountries": ["DEU"]}, "excludedCountries"),
    ({"excludedCountries": ["DE"] * 251}, "excludedCountries"),
    ({"excludedCountries": {"DE": True}}, "excludedCountries"),
    ({"unknown": 1}, "unknown"),
    ({"block_bots": True}, "block_bots"),
    ({"siteId": 1}, "siteId"),
]


@pytest.mark.parametrize(("bad", "field"), BAD_SETTINGS)
def test_an_unfit_setting_is_named_and_nothing_changes(cast: Cast, bad: dict[str, Any], field: str) -> None:
    before = everything(cast.world)
    fit = {"name": "New", "domain": f"bad.{cast.domain}"}
    for answer in (change(cast, {"trackErrors": True} | bad), make_site(cast, **fit | bad)):
        refusal = content(answer)
        assert answer.status_code == 400
        assert (refusal["success"], refusal["error"]) == (False, INVALID)
        assert list(refusal["details"]["fieldErrors"]) == [field]
        assert set(refusal["details"]) == {"fieldErrors", "formErrors"}
    assert everything(cast.world) == before


def test_name_and_domain_are_required_of_a_new_site(cast: Cast) -> None:
    answer = make_site(cast)
    assert answer.status_code == 400
    assert content(answer)["details"]["fieldErrors"] == {"name": ["Required"], "domain": ["Required"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"5",
        b"\xff",
        b"NaN",
        b'{"name": NaN}',
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_a_body_that_is_no_object_is_refused(cast: Cast, body: bytes) -> None:
    before = everything(cast.world)
    for path, method in (("/api/sites/{site}/config", "PUT"), ("/api/sites/{org}", "POST")):
        answer = cast.call("owner", method, path, body)
        assert answer.status_code == 400
        assert content(answer)["error"] == INVALID
        assert content(answer)["details"]["formErrors"]
    assert everything(cast.world) == before


def test_a_huge_body_is_refused(cast: Cast) -> None:
    answer = change(cast, b'{"name": "' + b"x" * 2**20 + b'"}')
    assert answer.status_code == 413
    assert content(answer)["success"] is False


def test_nothing_to_change(cast: Cast) -> None:
    answer = change(cast, {})
    assert (answer.status_code, content(answer)) == (400, {"success": False, "error": "No fields to update"})


def test_bad_patterns_are_each_named(cast: Cast) -> None:
    patterns = ["10.0.0.1", "nonsense", "10.0.0.9-10.0.0.1", "10.0.0.0/99"]
    before = everything(cast.world)
    changed = change(cast, {"excludedIPs": patterns, "name": "Changed"})
    made = make_site(cast, name="New", domain=f"bad.{cast.domain}", excludedIPs=patterns)
    assert content(made) == content(changed)
    for answer in (changed, made):
        refusal = content(answer)
        assert answer.status_code == 400
        assert (refusal["success"], refusal["error"]) == (False, "Invalid IP patterns")
        assert [line.partition(": ")[0] for line in refusal["details"]] == patterns[1:]
    assert everything(cast.world) == before


def test_a_change_answers_every_setting(cast: Cast) -> None:
    changes = {
        "name": " Changed ",
        "domain": f"HTTPS://München.{cast.domain}//",
        "public": True,
        "excludedIPs": [" 10.0.0.5/8 ", "10.0.0.1-10.0.0.9"],
        "excludedCountries": [" DE ", "XK"],
    }
    answer = change(cast, changes)
    expected = {
        "name": "Changed",
        "domain": f"xn--mnchen-3ya.{cast.domain}",
        **DEFAULTS,
        "public": True,
        "excludedIPs": ["10.0.0.5/8", "10.0.0.1-10.0.0.9"],
        "excludedCountries": ["DE", "XK"],
    }
    message = "Site configuration updated successfully"
    assert answer.status_code == 200
    assert content(answer) == {"success": True, "message": message, "config": expected}
    shown = content(cast.call("owner", "GET", "/api/sites/{site}"))
    assert {name: shown[name] for name in DEFAULTS} == DEFAULTS | {"public": True}


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_switch_is_turned_alone(cast: Cast, name: str) -> None:
    before = content(cast.call("owner", "GET", "/api/sites/{site}"))
    changed = content(change(cast, {name: not DEFAULTS[name]}))["config"]
    after = content(cast.call("owner", "GET", "/api/sites/{site}"))
    assert changed[name] is not DEFAULTS[name]
    assert {key for key in after if after[key] != before[key]} <= {name, "updatedAt"}
    assert after[name] is changed[name]


def test_a_taken_domain_is_a_conflict_in_every_spelling(cast: Cast) -> None:
    taken = content(make_site(cast, name="N", domain=f"bücher.{cast.domain}"))["domain"]
    before = everything(cast.world)
    for spelling in (taken, taken.upper(), f"http://BÜCHER.{cast.domain}/"):
        for answer in (change(cast, {"domain": spelling}), make_site(cast, name="N", domain=spelling)):
            assert answer.status_code == 409
            assert content(answer) == {"success": False, "error": "Domain already in use"}
    assert everything(cast.world) == before
    assert change(cast, {"domain": cast.domain.upper()}).status_code == 200, "its own is not taken"


def test_the_private_link_is_made_replaced_and_revoked(cast: Cast) -> None:
    path = "/api/sites/{site}/private-link-config"
    assert content(cast.call("member", "GET", path)) == {"success": True, "data": {"privateLinkKey": None}}
    made = []
    for _ in range(2):
        answer = content(cast.call("admin", "POST", path, {"action": "generate_private_link_key"}))
        made.append(answer["data"]["privateLinkKey"])
        assert re.fullmatch("[0-9a-f]{12}", made[-1])
        assert content(cast.call("member", "GET", path)) == answer
        overview = cast.call(
            "nobody", "GET", "/api/sites/{site}/overview", headers={"X-Private-Key": made[-1]}
        )
        assert overview.status_code == 200
    assert made[0] != made[1]
    old = cast.call("nobody", "GET", "/api/sites/{site}/overview", headers={"X-Private-Key": made[0]})
    assert old.status_code == 401
    revoked = cast.call("owner", "POST", path, {"action": "revoke_private_link_key"})
    assert content(revoked) == {"success": True, "data": {"privateLinkKey": None}}
    ended = cast.call("nobody", "GET", "/api/sites/{site}/overview", headers={"X-Private-Key": made[1]})
    assert ended.status_code == 401


@pytest.mark.parametrize("body", [{}, {"action": "nonsense"}, {"action": None}, {"action": []}, [], None])
def test_an_unknown_action_on_the_link_is_refused(cast: Cast, body: object) -> None:
    before = everything(cast.world)
    answer = cast.call("owner", "POST", "/api/sites/{site}/private-link-config", body)
    assert answer.status_code == 400
    assert content(answer)["error"] == INVALID
    assert everything(cast.world) == before


def test_organizations_are_a_bare_array(cast: Cast) -> None:
    sites = {"owner": [cast.id], "admin": [cast.id], "member": [cast.id], "other member": []}
    for name, seen in sites.items():
        (found,) = content(cast.call(name, "GET", "/api/organizations"))
        role = {"owner": "owner", "admin": "admin"}.get(name, "member")
        assert (found["id"], found["name"], found["role"]) == (cast.organization_id, "Acme", role)
        assert found["slug"] == cast.organization_id
        people = {cast.accounts[each] for each in sites}
        assert {member["userId"] for member in found["members"]} == people
        assert {member["user"]["id"] for member in found["members"]} == people
        assert [site["id"] for site in found["sites"]] == seen
        assert [site["siteId"] for site in found["sites"]] == [cast.site_id for _ in seen]
    answer = cast.call("nobody", "GET", "/api/organizations")
    assert (answer.status_code, content(answer)) == (401, {"error": "Unauthorized"})


def send(world: World, cast: Cast, key: str) -> TestResponse:
    """Track a pageview as a server."""
    return world.client().post(
        "/api/track",
        json={"site_id": str(cast.site_id), "pathname": "/", "api_key": key},
        environ_overrides={"REMOTE_ADDR": PEER},
    )


def test_a_change_counts_for_tracking_at_once(cast: Cast, api_world: World) -> None:
    key = cast.keys["tracking key"]
    assert content(send(api_world, cast, key)) == {"success": True}
    change(cast, {"excludedIPs": [PEER]})
    assert content(send(api_world, cast, key))["message"] == "Event not tracked - IP excluded"
    change(cast, {"excludedIPs": []})
    assert content(send(api_world, cast, key)) == {"success": True}


def test_a_deleted_site_is_gone_with_all_that_belongs_to_it(cast: Cast, api_world: World) -> None:
    key = cast.keys["tracking key"]
    assert content(send(api_world, cast, key)) == {"success": True}
    assert content(cast.call("owner", "GET", "/api/sites/{site}/has-data")) == {"hasData": True}
    link = content(
        cast.call(
            "owner", "POST", "/api/sites/{site}/private-link-config", {"action": "generate_private_link_key"}
        )
    )["data"]["privateLinkKey"]

    answer = cast.call("admin", "DELETE", "/api/sites/{site}")
    assert (answer.status_code, content(answer)) == (200, {"success": True})

    query = "select count(*) from events where site_id = $site_id"
    assert api_world.runtime.store.query(query, {"site_id": cast.site_id}) == [(0,)]
    assert send(api_world, cast, key).status_code == 403
    for method, path in (("GET", ""), ("GET", "/overview"), ("DELETE", ""), ("GET", "/private-link-config")):
        again = cast.call("owner", method, "/api/sites/{site}" + path)
        assert (again.status_code, content(again)) == (404, {"error": "Site not found"})
    shown = {"X-Private-Key": link}
    assert cast.call("nobody", "GET", "/api/sites/{site}/overview", headers=shown).status_code == 401
    rows = everything(api_world)
    for table in ("rybbit_site", "rybbit_site_member", "rybbit_drop"):
        assert all(row[0] != str(cast.site_id) for row in rows[table])
    assert make_site(cast, name="Again", domain=cast.domain).status_code == 201
    assert content(cast.call("owner", "GET", "/api/organizations/{org}/audit"))["data"][1]["action"] == (
        "site.delete"
    )


def test_a_deletion_that_cannot_be_committed_changes_nothing(
    cast: Cast, api_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = cast.keys["tracking key"]
    assert content(send(api_world, cast, key)) == {"success": True}

    def fail() -> None:
        raise OperationalError("commit", {}, Exception())

    with monkeypatch.context() as broken:
        broken.setattr(db.session, "commit", fail)
        assert cast.call("owner", "DELETE", "/api/sites/{site}").status_code == 503
    assert content(cast.call("owner", "GET", "/api/sites/{site}/has-data")) == {"hasData": True}
    assert content(send(api_world, cast, key)) == {"success": True}
    query = "select count(*) from events where site_id = $site_id"
    assert api_world.runtime.store.query(query, {"site_id": cast.site_id}) == [(2,)]


def test_answers_are_for_no_cache(cast: Cast) -> None:
    assert cast.call("owner", "GET", "/api/sites/{site}").headers["Cache-Control"] == "no-store"
