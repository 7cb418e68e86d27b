"""Changes at the same time, by threads and by other processes of the same instance."""

import json
import threading
from collections.abc import Callable
from typing import Any

from werkzeug.test import TestResponse

from rybbit.extensions import db
from rybbit.services import keys, sites
from tests.web.people import Cast, everything
from tests.web.world import World

FIELDS = {
    "name": "Changed",
    "public": True,
    "saltUserIds": True,
    "blockBots": False,
    "sessionReplay": True,
    "excludedIPs": ["10.0.0.0/8"],
    "excludedCountries": ["DE"],
    "trackIp": True,
}


def at_once(calls: list[Callable[[], TestResponse]]) -> list[int]:
    """Begin all calls together; their statuses, in their order."""
    start = threading.Barrier(len(calls))
    statuses = [0] * len(calls)

    def run(number: int) -> None:
        start.wait(30)
        statuses[number] = calls[number]().status_code

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return statuses


def put(cast: Cast, body: dict[str, Any]) -> Callable[[], TestResponse]:
    """A change of settings, to be made."""
    return lambda: cast.call("owner", "PUT", "/api/sites/{site}/config", body)


def test_changes_of_different_fields_at_once_lose_none(cast: Cast) -> None:
    assert at_once([put(cast, {name: value}) for name, value in FIELDS.items()]) == [200] * len(FIELDS)
    (change,) = at_once([put(cast, {"trackErrors": True})])
    assert change == 200
    answer = json.loads(cast.call("owner", "PUT", "/api/sites/{site}/config", {"webVitals": True}).data)
    assert {name: answer["config"][name] for name in FIELDS} == FIELDS


def test_of_two_sites_with_one_domain_at_once_one_is_made(cast: Cast) -> None:
    body = {"name": "N", "domain": f"twice.{cast.domain}"}

    def make() -> TestResponse:
        return cast.call("owner", "POST", "/api/sites/{org}", body)

    assert sorted(at_once([make] * 6)) == [201, *[409] * 5]


def test_of_two_deletions_at_once_one_deletes(cast: Cast) -> None:
    def delete() -> TestResponse:
        return cast.call("owner", "DELETE", "/api/sites/{site}")

    assert sorted(at_once([delete] * 4)) == [200, *[404] * 3]


def test_a_change_meets_a_deletion(cast: Cast) -> None:
    def delete() -> TestResponse:
        return cast.call("owner", "DELETE", "/api/sites/{site}")

    statuses = at_once([put(cast, {"name": "Changed"}), delete, put(cast, {"public": True})])
    assert statuses[1] == 200
    assert {statuses[0], statuses[2]} <= {200, 404}
    assert cast.site() is None


def test_an_invitation_is_accepted_by_one_of_two_at_once(cast: Cast) -> None:
    made = cast.call("owner", "POST", "/api/organizations/{org}/invitations", {})
    token = json.loads(made.data)["token"]
    members = len(json.loads(cast.call("owner", "GET", "/api/organizations/{org}/members").data))

    def accept() -> TestResponse:
        return cast.call("stranger", "POST", "/api/invitations/accept", {"token": token})

    assert sorted(at_once([accept] * 3)) == [200, 404, 404]
    now = json.loads(cast.call("owner", "GET", "/api/organizations/{org}/members").data)
    assert len(now) == members + 1


def test_who_may_what_is_true_at_the_next_request_whoever_changed_it(cast: Cast, api_world: World) -> None:
    """Changes that this process does not hear of, as another worker or a command makes them."""
    assert cast.call("owner", "GET", "/api/sites/{site}").status_code == 200
    with api_world.app.app_context():
        runtime = api_world.app.extensions.pop("rybbit")  # so that the commit tells nobody here
        try:
            found = keys.find_key(cast.keys["owner"])
            assert found is not None
            keys.revoke_key(found)
            sites.update_site(sites.site_for(cast.site_id), {"public": True})
            db.session.commit()
        finally:
            api_world.app.extensions["rybbit"] = runtime
    assert cast.call("owner", "GET", "/api/sites/{site}").status_code == 401
    assert cast.call("nobody", "GET", "/api/sites/{site}/overview").status_code == 200


def test_a_refusal_in_the_middle_of_a_change_leaves_nothing(cast: Cast) -> None:
    other = json.loads(
        cast.call("owner", "POST", "/api/sites/{org}", {"name": "N", "domain": f"x.{cast.domain}"}).data
    )
    before = everything(cast.world)
    statuses = at_once([put(cast, {"name": "New", "domain": other["domain"]})] * 3)
    assert statuses == [409] * 3
    assert everything(cast.world) == before
