"""The scope `track`: which keys of accounts and organizations may send events."""

import json

import pytest
from werkzeug.test import TestResponse

from rybbit.extensions import db
from rybbit.models import Account, Organization, Scope
from rybbit.services import keys
from tests.web.people import Cast
from tests.web.world import PEER

WITHOUT = [scope for scope in Scope if scope is not Scope.TRACK]
SCOPES = [([Scope.TRACK], True), (list(Scope), True), (None, True), (WITHOUT, False)]


def key_of(cast: Cast, holder: str, scopes: list[Scope] | None) -> str:
    """A key of the owner or the organization, limited to these scopes; None: to nothing."""
    with cast.world.app.app_context():
        if holder == "account":
            owner = db.session.get_one(Account, cast.accounts["owner"])
            _, token = keys.create_account_key(owner, scopes=scopes)
        else:
            organization = db.session.get_one(Organization, cast.organization_id)
            _, token = keys.create_organization_key(organization, scopes=scopes)
        db.session.commit()
    return token


def post(cast: Cast, path: str, body: dict[str, object], token: str) -> TestResponse:
    """Send events with a bearer key."""
    return cast.world.client().post(
        path,
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        environ_overrides={"REMOTE_ADDR": PEER},
    )


@pytest.mark.parametrize(("scopes", "may"), SCOPES)
@pytest.mark.parametrize("holder", ["account", "organization"])
def test_only_a_key_that_may_track_does(
    cast: Cast, holder: str, scopes: list[Scope] | None, may: bool
) -> None:
    token = key_of(cast, holder, scopes)
    event = {"site_id": str(cast.site_id), "pathname": "/one"}
    one = post(cast, "/api/track", event, token)
    many = post(cast, "/api/track/batch", {"events": [event | {"pathname": "/many"}] * 2}, token)
    in_body = post(cast, "/api/track", event | {"api_key": token}, token)
    if may:
        assert [answer.status_code for answer in (one, many, in_body)] == [200] * 3
        assert json.loads(many.data)["accepted"] == 2
    else:
        refusal = (403, {"success": False, "error": "Invalid API key"})
        assert [(each.status_code, json.loads(each.data)) for each in (one, many, in_body)] == [refusal] * 3
    query = "select pathname from events where site_id = $site_id order by id"
    stored = cast.world.runtime.store.query(query, {"site_id": cast.site_id})
    assert [row[0] for row in stored] == (["/one", "/many", "/many", "/one"] if may else [])


@pytest.mark.parametrize("holder", ["account", "organization"])
def test_a_key_for_tracking_reads_nothing(cast: Cast, holder: str) -> None:
    cast.keys["tracks"] = key_of(cast, holder, [Scope.TRACK])
    for path, required in (("", "sites:read"), ("/overview", "stats:read"), ("/events", "stats:read")):
        answer = cast.call("tracks", "GET", "/api/sites/{site}" + path)
        expected = {"error": "Insufficient scope", "required": required}
        assert (answer.status_code, json.loads(answer.data)) == (403, expected)
