"""How long events are kept, over HTTP."""

import json
from typing import Any

import pytest

from rybbit import clock
from tests.web.people import Cast
from tests.web.visitors import Visitor
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


class TestPage:
    """The form on the general tab, which asks before events go."""

    PATH = "/sites/{site}/settings/general/retention"
    GENERAL = "/sites/{site}/settings/general"

    @pytest.fixture
    def owner(self, cast: Cast) -> Visitor:
        """The owner, with three events of different age."""
        now_ms = clock.now_ms()
        for days in (1, 20, 40):
            event = {"type": "pageview", "site_id": cast.id, "timestamp": now_ms - days * DAY_MS}
            assert cast.call("owner", "POST", "/api/track", event).status_code == 200
        return Visitor(cast, "owner")

    def kept(self, cast: Cast) -> tuple[Any, int]:
        """The days, and how many events there are, as the API tells."""
        days = json.loads(cast.call("member", "GET", PATH).data)["retentionDays"]
        return days, len(json.loads(cast.call("member", "GET", "/api/sites/{site}/events").data)["data"])

    @pytest.mark.parametrize("partial", [False, True])
    def test_it_asks_before_events_go(self, cast: Cast, owner: Visitor, partial: bool) -> None:
        asked = owner.post(self.PATH, partial=partial, days="30")
        assert asked.status_code == 200
        assert "1 event is older, and goes for good" in asked.text
        assert self.kept(cast) == (None, 3)
        # Agreed to another number: asked again.
        assert "2 events are older, and go for good" in owner.post(self.PATH, days="10", confirmed="30").text
        assert self.kept(cast) == (None, 3)
        done = owner.post(self.PATH, partial=partial, days="30", confirmed="30")
        assert done.status_code == (200 if partial else 303)
        assert self.kept(cast) == (30, 2)
        assert 'value="30"' in owner.get(self.GENERAL).text

    def test_nothing_is_asked_where_nothing_goes(self, cast: Cast, owner: Visitor) -> None:
        for typed, kept in (("50", "50"), (" 60 ", 60), ("60", 60), ("", None)):
            answer = owner.post(self.PATH, days=typed, confirmed=typed if kept == "50" else "")
            assert answer.status_code == 303, typed
            assert self.kept(cast) == (int(kept) if kept else None, 3)

    @pytest.mark.parametrize("typed", ["0", "3651", "-1", "1.5", "ten", "\u0663", "9" * 5000, "30 31"])
    def test_what_is_no_number_of_days(self, cast: Cast, owner: Visitor, typed: str) -> None:
        answer = owner.post(self.PATH, days=typed, confirmed=typed)
        assert answer.status_code == 422
        assert "Must be a whole number from 1 to 3650" in answer.text
        assert self.kept(cast) == (None, 3)

    def test_members_read_it(self, cast: Cast) -> None:
        assert "for ever" in Visitor(cast, "member").get(self.GENERAL).text
        assert Visitor(cast, "member").post(self.PATH, days="3", confirmed="3").status_code == 403
        assert cast.call("owner", "PUT", PATH, {"retentionDays": 7}).status_code == 200
        assert "7 days" in Visitor(cast, "member").get(self.GENERAL).text
