"""How long events are kept, over HTTP."""

import json
from typing import Any

import pytest

from rybbit import clock
from tests.web.people import Cast
from tests.web.world import Sender, Tenant, World

PATH = "/api/sites/{site}/event-retention"
DAY_MS = 86_400_000


def test_it_is_for_ever_until_somebody_says_otherwise(cast: Cast) -> None:
    def shown() -> Any:
        return json.loads(cast.call("member", "GET", PATH).data)

    assert shown() == {"success": True, "retentionDays": None}
    assert cast.call("owner", "PUT", PATH, {"retentionDays": 365}).status_code == 200
    assert shown() == {"success": True, "retentionDays": 365}
    assert cast.call("owner", "PUT", PATH, {"retentionDays": None}).status_code == 200
    assert shown() == {"success": True, "retentionDays": None}
    entries = json.loads(cast.call("owner", "GET", "/api/sites/{site}/audit").data)["data"]
    changes = [row["changes"]["retentionDays"] for row in entries if row["action"] == "site.retention"]
    assert changes == [[365, None], [None, 365]]


@pytest.mark.parametrize(
    "body", [{}, {"retentionDays": 0}, {"retentionDays": 3651}, {"retentionDays": "30"}, {"x": 1}]
)
def test_what_is_no_number_of_days_is_refused(cast: Cast, body: object) -> None:
    assert cast.call("owner", "PUT", PATH, body).status_code == 400


def test_it_counts_at_once(world: World, tenant: Tenant) -> None:
    sender = Sender(world.client(), tenant)
    now_ms = clock.now_ms()
    for days in (1, 20, 40):
        assert sender.send(timestamp=now_ms - days * DAY_MS, pathname=f"/{days}").status_code == 200
    headers = {"Authorization": f"Bearer {tenant.account_key}"}
    path = f"/api/sites/{tenant.site_id}/event-retention"
    assert world.client().put(path, json={"retentionDays": 30}, headers=headers).status_code == 200
    paths = [event["pathname"] for event in json.loads(world.read(tenant, "events").data)["data"]]
    assert paths == ["/1", "/20"]
