"""Keys over HTTP: shown once, limited, ended; what they may never become."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from rybbit import clock
from rybbit.models import Scope
from tests.faults.server import wait_until
from tests.web.people import UNKNOWN, Cast, everything

ACCOUNT_KEYS = "/api/account/keys"
ORGANIZATION_KEYS = "/api/organizations/{org}/keys"


def content(answer: TestResponse) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.data)


@pytest.mark.parametrize("path", [ACCOUNT_KEYS, ORGANIZATION_KEYS])
def test_a_key_is_shown_once_works_and_ends(cast: Cast, path: str) -> None:
    end = clock.to_iso(clock.now() + timedelta(hours=1))
    answer = cast.call("owner", "POST", path, {"name": " CI ", "scopes": ["sites:read"], "expiresAt": end})
    made = content(answer)
    assert answer.status_code == 201
    assert (made["name"], made["scopes"], made["expiresAt"]) == ("CI", ["sites:read"], end)
    assert re.fullmatch("rb_[0-9a-f]{32}", made["key"])
    rows = content(cast.call("owner", "GET", path))
    assert made["id"] in [row["id"] for row in rows]
    assert made["key"] not in json.dumps(rows)
    cast.keys["made"] = made["key"]
    assert cast.call("made", "GET", "/api/sites/{site}").status_code == 200
    assert cast.call("made", "DELETE", "/api/sites/{site}").status_code == 403
    assert cast.call("owner", "DELETE", f"{path}/{made['id']}").status_code == 200
    assert cast.call("made", "GET", "/api/sites/{site}").status_code == 401
    revoked = {row["id"]: row["revokedAt"] for row in content(cast.call("owner", "GET", path))}
    assert revoked[made["id"]] is not None


def test_a_key_ends_by_itself(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    end = clock.now() + timedelta(minutes=1)
    answer = cast.call("owner", "POST", ACCOUNT_KEYS, {"name": "K", "expiresAt": clock.to_iso(end)})
    cast.keys["made"] = content(answer)["key"]
    assert cast.call("made", "GET", "/api/sites/{site}").status_code == 200
    later = clock.now_ms() + 61_000
    monkeypatch.setattr(clock, "now_ms", lambda: later)
    assert cast.call("made", "GET", "/api/sites/{site}").status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": "K", "scopes": []}, "scopes"),
        ({"name": "K", "scopes": ["everything"]}, "scopes"),
        ({"name": "K", "scopes": [None]}, "scopes"),
        ({"name": "K", "scopes": "track"}, "scopes"),
        ({"name": "K", "expiresAt": "soon"}, "expiresAt"),
        ({"name": "K", "expiresAt": 5}, "expiresAt"),
        ({"name": "K", "expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
        ({"name": "K", "expiresAt": "0001-01-01T00:00:00+14:00"}, "expiresAt"),
        ({"name": "K", "expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt"),
        ({"name": "K", "role": "owner"}, "role"),
    ],
)
def test_an_unfit_key_is_not_made(cast: Cast, body: dict[str, Any], field: str) -> None:
    before = everything(cast.world)
    for path in (ACCOUNT_KEYS, ORGANIZATION_KEYS):
        answer = cast.call("owner", "POST", path, body)
        assert answer.status_code == 400
        assert list(content(answer)["details"]["fieldErrors"]) == [field]
    assert everything(cast.world) == before


def test_a_limited_key_makes_no_key_and_changes_no_account(cast: Cast) -> None:
    cast.keys["limited"] = cast.limited_key(*Scope)
    own_key = content(cast.call("owner", "GET", ACCOUNT_KEYS))[0]["id"]
    own_session = content(cast.call("owner", "GET", "/api/auth/sessions"))[0]["id"]
    before = everything(cast.world)
    for method, path, body in (
        ("GET", ACCOUNT_KEYS, None),
        ("POST", ACCOUNT_KEYS, {"name": "K"}),
        ("DELETE", f"{ACCOUNT_KEYS}/{own_key}", None),
        ("DELETE", f"{ACCOUNT_KEYS}/key_x", None),
        ("GET", "/api/auth/sessions", None),
        ("DELETE", f"/api/auth/sessions/{own_session}", None),
        ("DELETE", "/api/auth/sessions", None),
        ("PUT", "/api/auth/account", {"name": "N"}),
        ("PUT", "/api/auth/password", {}),
        ("POST", "/api/organizations", {"name": "N"}),
        ("POST", "/api/invitations/accept", {}),
    ):
        answer = cast.call("limited", method, path, body)
        expected = {"error": "Insufficient scope", "required": "all"}
        assert (answer.status_code, content(answer)) == (403, expected), (method, path)
    assert everything(cast.world) == before


def test_the_key_of_an_organization_is_no_person(cast: Cast) -> None:
    before = everything(cast.world)
    for method, path in (
        ("GET", ACCOUNT_KEYS),
        ("GET", "/api/auth/sessions"),
        ("GET", "/api/auth/session"),
        ("DELETE", "/api/auth/sessions/ses_x"),
        ("DELETE", f"{ACCOUNT_KEYS}/key_x"),
        ("PUT", "/api/auth/password"),
        ("POST", "/api/organizations"),
        ("POST", "/api/invitations/accept"),
    ):
        assert cast.call("organization key", method, path).status_code == 403, (method, path)
    assert everything(cast.world) == before
    (mine,) = content(cast.call("organization key", "GET", "/api/organizations"))
    assert (mine["id"], mine["role"]) == (cast.organization_id, "admin")


def test_no_key_has_a_session(cast: Cast) -> None:
    cast.keys["limited"] = cast.limited_key(*Scope)
    for caller in ("owner", "limited", "organization key"):
        answer = cast.call(caller, "GET", "/api/auth/session")
        assert (answer.status_code, content(answer)) == (403, {"error": "A key has no session"})


def test_organizations_are_listed_for_keys_that_may_read_sites(cast: Cast) -> None:
    cast.keys["fitting"] = cast.limited_key(Scope.SITES_READ)
    cast.keys["small"] = cast.limited_key(*(scope for scope in Scope if scope is not Scope.SITES_READ))
    (mine,) = content(cast.call("fitting", "GET", "/api/organizations"))
    assert mine["id"] == cast.organization_id
    answer = cast.call("small", "GET", "/api/organizations")
    expected = {"error": "Insufficient scope", "required": "sites:read"}
    assert (answer.status_code, content(answer)) == (403, expected)


@pytest.mark.parametrize("path", [ACCOUNT_KEYS, ORGANIZATION_KEYS])
def test_the_list_says_when_a_key_was_last_used(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    made = content(cast.call("owner", "POST", path, {"name": "K"}))
    cast.keys["made"] = made["key"]

    def last_used() -> object:
        rows = content(cast.call("owner", "GET", path))
        return next(row["lastUsedAt"] for row in rows if row["id"] == made["id"])

    assert made["lastUsedAt"] is last_used() is None
    moment = clock.now_ms() + 5
    monkeypatch.setattr(clock, "now_ms", lambda: moment)
    assert cast.call("made", "GET", "/api/sites/{site}").status_code == 200
    # Uses are written in the background.
    wait_until(last_used, "the use of the key is noted")
    assert last_used() == clock.to_iso(clock.from_ms(moment))


@pytest.mark.parametrize("caller", UNKNOWN)
def test_nobody_unknown_gets_at_an_account(cast: Cast, caller: str) -> None:
    for method, path in (
        ("GET", ACCOUNT_KEYS),
        ("POST", ACCOUNT_KEYS),
        ("DELETE", f"{ACCOUNT_KEYS}/key_x"),
        ("GET", "/api/organizations"),
        ("POST", "/api/organizations"),
        ("GET", "/api/auth/session"),
        ("GET", "/api/auth/sessions"),
        ("DELETE", "/api/auth/sessions"),
        ("DELETE", "/api/auth/sessions/ses_x"),
        ("POST", "/api/auth/sign-out"),
        ("PUT", "/api/auth/account"),
        ("PUT", "/api/auth/password"),
        ("POST", "/api/invitations/accept"),
    ):
        answer = cast.call(caller, method, path)
        assert (answer.status_code, content(answer)) == (401, {"error": "Unauthorized"}), (method, path)


def test_nobody_ends_the_key_of_another(cast: Cast) -> None:
    made = content(cast.call("owner", "POST", ACCOUNT_KEYS, {"name": "K"}))
    before = everything(cast.world)
    for caller in ("admin", "stranger"):
        answer = cast.call(caller, "DELETE", f"{ACCOUNT_KEYS}/{made['id']}")
        assert (answer.status_code, content(answer)) == (404, {"error": "Key not found"})
    assert cast.call("owner", "DELETE", f"{ORGANIZATION_KEYS}/{made['id']}").status_code == 404
    assert everything(cast.world) == before


def test_a_key_of_a_member_follows_the_member(cast: Cast) -> None:
    assert cast.call("admin", "PUT", "/api/sites/{site}/config", {"name": "N"}).status_code == 200
    path = "/api/organizations/{org}/members/{admin}"
    assert cast.call("owner", "PUT", path, {"role": "member"}).status_code == 200
    assert cast.call("admin", "GET", "/api/sites/{site}").status_code == 404, "the site is restricted"
    opened = cast.call("owner", "PUT", "/api/sites/{site}/members", {"restricted": False})
    assert opened.status_code == 200
    assert cast.call("admin", "GET", "/api/sites/{site}").status_code == 200
    assert cast.call("admin", "PUT", "/api/sites/{site}/config", {"name": "N"}).status_code == 403
