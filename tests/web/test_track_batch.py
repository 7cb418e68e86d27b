"""`POST /api/track/batch`: many events in one request."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from rybbit import clock
from tests.web.world import BRITISH, CRAWLER, GERMAN, Sender, Tenant, World

PATH = "/api/track/batch"
INVALID_KEY = {"success": False, "error": "Invalid API key"}
NOT_FOUND = {"success": False, "error": "Site not found"}


def _accepted(count: int, rejected: list[Any] | None = None, **filtered: int) -> dict[str, Any]:
    return {"success": True, "accepted": count, "rejected": rejected or [], "filtered": filtered}


def _invalid(fields: dict[str, list[str]], *form: str) -> dict[str, Any]:
    details = {"fieldErrors": fields, "formErrors": list(form)}
    return {"error": "Invalid payload", "details": details}


def _send(sender: Sender, events: list[Any], **outer: Any) -> TestResponse:
    """A batch with the site's key as bearer."""
    headers = {"Authorization": f"Bearer {sender.tenant.api_key}"}
    return sender.post({"events": events, **outer}, path=PATH, headers=headers)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stops the clock of the rate limit."""
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now)


class TestAccepted:
    """Good events, and the mixture with others."""

    @pytest.mark.parametrize("count", [1, 2, 500])
    def test_all_are_stored_in_their_order(self, world: World, sender: Sender, count: int) -> None:
        answer = _send(sender, [sender.event(pathname=f"/{number}") for number in range(count)])
        assert (answer.status_code, answer.json) == (200, _accepted(count))
        assert list(json.loads(answer.data)) == ["success", "accepted", "rejected", "filtered"]
        rows = world.stored(sender.tenant)
        assert [row["pathname"] for row in rows] == [f"/{number}" for number in range(count)]
        assert len({row["id"] for row in rows}) == count
        assert len({row["session_id"] for row in rows}) == 1

    def test_site_and_key_of_the_batch_are_defaults(self, world: World, sender: Sender) -> None:
        other = world.add_tenant()
        events = [{"pathname": "/1"}, {"site_id": other.id, "api_key": other.api_key, "pathname": "/2"}]
        outer = {"site_id": sender.tenant.id, "api_key": sender.tenant.api_key}
        answer = sender.post({"events": events, **outer}, path=PATH)
        assert (answer.status_code, answer.json) == (200, _accepted(2))
        assert [row["pathname"] for row in world.stored(sender.tenant)] == ["/1"]
        assert [row["pathname"] for row in world.stored(other)] == ["/2"]

    def test_each_event_is_judged_for_itself(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=["198.51.100.1"], excludedCountries=["GB"])
        events = [
            sender.event(pathname="/good"),
            sender.event(pathname=1),
            sender.event(ip_address="198.51.100.1"),
            sender.event(ip_address=BRITISH),
            sender.event(type="custom_event"),
            sender.event(typo=1),
            7,
            {"pathname": "/no site"},
            sender.event(ip_address=GERMAN, user_agent=CRAWLER),
            sender.event(ip_address="198.51.100.1"),
        ]
        answer = _send(sender, events)
        rejected = [
            {"index": 1, **_invalid({"pathname": ["Expected string, received number"]})},
            {"index": 4, **_invalid({}, "Custom events require event_name")},
            {
                "index": 5,
                **_invalid({"typo": ["Unrecognized field"]}, "Unrecognized key(s) in object: 'typo'"),
            },
            {"index": 6, **_invalid({}, "Expected object, received number")},
            {"index": 7, **_invalid({"site_id": ["Required"]})},
        ]
        assert (answer.status_code, answer.json) == (200, _accepted(2, rejected, ip=2, country=1))
        assert [row["country"] for row in world.stored(sender.tenant)] == [None, "DE"]
        assert world.drops(sender.tenant) == {
            ("invalid_payload", "pathname"): 1,
            ("invalid_payload", "body"): 2,
            ("ip", "198.51.100.1"): 2,
            ("country", "GB"): 1,
        }

    def test_from_a_browser(self, world: World, sender: Sender) -> None:
        events = [sender.event(), sender.event(ip_address=BRITISH), sender.event(timestamp=1_772_366_400_000)]
        origin = {"Origin": sender.tenant.origin}
        answer = sender.post({"events": events}, path=PATH, headers=origin)
        rejected = [
            {"index": 1, "error": "ip_address requires an API key"},
            {"index": 2, "error": "timestamp requires an API key"},
        ]
        assert (answer.status_code, answer.json) == (200, _accepted(1, rejected))
        crawled = sender.post(
            {"events": [sender.event()] * 3}, path=PATH, headers={**origin, "User-Agent": CRAWLER}
        )
        assert (crawled.status_code, crawled.json) == (200, _accepted(0, bot=3))
        assert len(world.stored(sender.tenant)) == 1
        assert world.drops(sender.tenant) == {
            ("forbidden_field", "ip_address"): 1,
            ("forbidden_field", "timestamp"): 1,
            ("bot", ""): 3,
        }

    def test_doubles_are_acknowledged_and_stored_once(self, world: World, sender: Sender) -> None:
        assert _send(sender, [sender.event(event_id=name) for name in "aab"]).json == _accepted(3)
        assert _send(sender, [sender.event(event_id=name) for name in "bc"]).json == _accepted(2)
        assert [row["event_id"] for row in world.stored(sender.tenant)] == ["a", "b", "c"]
        assert world.drops(sender.tenant) == {("duplicate", ""): 2}

    def test_a_key_in_an_event_must_be_that_of_the_request(self, world: World, sender: Sender) -> None:
        other = world.add_key(sender.tenant)
        answer = _send(sender, [sender.event(), sender.event(api_key=other)])
        assert (answer.status_code, answer.json) == (403, INVALID_KEY)
        assert world.stored(sender.tenant) == []

    def test_a_key_in_the_body_must_be_that_of_the_request(self, world: World, sender: Sender) -> None:
        other = world.add_key(sender.tenant)
        for events in ([sender.event()], [{"type": "none"}]):
            answer = _send(sender, events, api_key=other, site_id=sender.tenant.site_id)
            assert (answer.status_code, answer.json) == (403, INVALID_KEY)
        assert world.stored(sender.tenant) == []


class TestRefused:
    """What refuses a batch whole."""

    @pytest.mark.parametrize(
        ("body", "fields", "form"),
        [
            ({}, {"events": ["Required"]}, []),
            ({"events": []}, {"events": ["Array must contain at least 1 element(s)"]}, []),
            ({"events": None}, {"events": ["Expected array, received null"]}, []),
            ({"events": {}}, {"events": ["Expected array, received object"]}, []),
            ({"events": [{}] * 501}, {"events": ["Array must contain at most 500 element(s)"]}, []),
            ([], {}, ["Expected object, received array"]),
            (b"", {}, ["Body must be valid JSON"]),
            (b'{"events": [', {}, ["Body must be valid JSON"]),
            (
                {"events": [{}], "type": "pageview"},
                {"type": ["Unrecognized field"]},
                ["Unrecognized key(s) in object: 'type'"],
            ),
            ({"events": [{}, 7, {"pathname": "/no site"}]}, {"site_id": ["Required"]}, []),
            ({"events": [{}], "site_id": []}, {"site_id": ["Expected string, received array"]}, []),
            (
                {"events": [{}], "api_key": "x" * 65},
                {"api_key": ["String must contain at most 64 character(s)"]},
                [],
            ),
        ],
    )
    def test_no_batch(self, sender: Sender, body: Any, fields: dict[str, list[str]], form: list[str]) -> None:
        answer = sender.post(body, path=PATH, headers={"Authorization": f"Bearer {sender.tenant.api_key}"})
        assert (answer.status_code, answer.json) == (400, {"success": False, **_invalid(fields, *form)})

    @pytest.mark.parametrize(
        ("spoil", "status", "body", "counted"),
        [
            (lambda event, _: event.update(api_key="wrong"), 403, INVALID_KEY, ("invalid_key", "")),
            (lambda event, other: event.update(site_id=other.id), 403, INVALID_KEY, ("invalid_key", "")),
            (
                lambda event, _: event.update(site_id="99999999"),
                403,
                NOT_FOUND,
                ("invalid_payload", "site_id"),
            ),
        ],
        ids=["wrong key", "foreign site", "unknown site"],
    )
    def test_one_event_spoils_all(
        self,
        world: World,
        sender: Sender,
        spoil: Callable[[dict[str, Any], Tenant], None],
        status: int,
        body: dict[str, Any],
        counted: tuple[str, str],
    ) -> None:
        events = [sender.event() for _ in range(5)]
        spoil(events[3], world.add_tenant())
        answer = sender.post(
            {"events": events, "api_key": sender.tenant.api_key, "site_id": sender.tenant.id}, path=PATH
        )
        assert (answer.status_code, answer.json) == (status, body)
        assert world.stored(sender.tenant) == []
        # Each event that is lost is counted, not only the one that spoiled them.
        expected = 4 if events[3]["site_id"] != str(sender.tenant.site_id) else 5
        assert world.drops(sender.tenant) == {counted: expected}

    def test_without_a_key(self, sender: Sender) -> None:
        unknown = sender.post({"events": [sender.event(site_id="99999999")]}, path=PATH)
        assert (unknown.status_code, unknown.json) == (404, NOT_FOUND)
        nowhere = sender.post({"events": [sender.event()]}, path=PATH)
        assert nowhere.json == {"success": False, "error": "Origin header required"}
        headers = {"Origin": "https://evil.example"}
        foreign = sender.post({"events": [sender.event()] * 3}, path=PATH, headers=headers)
        error = "Origin mismatch. Received: https://evil.example"
        assert (foreign.status_code, foreign.json) == (403, {"success": False, "error": error})

    def test_what_is_wrong_with_an_event_does_not_save_it_from_a_wrong_key(
        self, world: World, sender: Sender
    ) -> None:
        events = [sender.event(typo=1), sender.event()]
        answer = sender.post({"events": events, "api_key": "rb_" + "0" * 32}, path=PATH)
        assert (answer.status_code, answer.json) == (403, INVALID_KEY)
        assert world.drops(sender.tenant) == {("invalid_payload", "body"): 1, ("invalid_key", ""): 1}

    @pytest.mark.parametrize("bad", [{"foo": 1}, 7, {"api_key": 5}], ids=["typo", "no event", "key"])
    def test_bad_events_alone_need_the_key_as_well(self, sender: Sender, bad: Any) -> None:
        body = {"events": [bad], "site_id": sender.tenant.id, "api_key": sender.tenant.api_key}
        assert sender.post(body, path=PATH).status_code == 200
        wrong = sender.post(body | {"api_key": "rb_" + "0" * 32}, path=PATH)
        assert (wrong.status_code, wrong.json) == (403, INVALID_KEY)
        nowhere = sender.post(body | {"site_id": "99999999"}, path=PATH)
        assert (nowhere.status_code, nowhere.json) == (403, NOT_FOUND)

    def test_a_key_of_its_own_counts_for_a_bad_event(self, sender: Sender) -> None:
        own = {"api_key": sender.tenant.api_key, "site_id": sender.tenant.id}
        answer = sender.post({"events": [{"foo": 1, **own}, own], "site_id": sender.tenant.id}, path=PATH)
        assert answer.status_code == 200
        assert [row["index"] for row in json.loads(answer.data)["rejected"]] == [0]


@pytest.mark.usefixtures("frozen")
class TestLimit:
    """A request counts as one, whatever is in it."""

    def test_twenty_batches(self, world: World, sender: Sender) -> None:
        events = [sender.event() for _ in range(30)]
        assert {_send(sender, events).status_code for _ in range(20)} == {200}
        answer = _send(sender, events)
        error = "Rate limit exceeded. Maximum 20 requests per second per API key."
        assert (answer.status_code, answer.json) == (429, {"success": False, "error": error})
        assert answer.headers["Retry-After"] == "1"
        assert sender.send().status_code == 429
        assert len(world.stored(sender.tenant)) == 600
        assert world.drops(sender.tenant) == {("rate_limit", sender.tenant.key_id): 31}

    def test_one_site_under_both_its_names(self, sender: Sender) -> None:
        events = [sender.event(site_id=name) for name in (sender.tenant.id, sender.tenant.site_id)]
        assert [_send(sender, events).status_code for _ in range(21)] == [200] * 20 + [429]

    def test_many_sites_under_one_account_key(self, world: World, sender: Sender) -> None:
        names = world.add_neighbours(sender.tenant, 30)
        body = {"events": [{"site_id": name} for name in names], "api_key": sender.tenant.account_key}
        assert sender.post(body, path=PATH).json == _accepted(30)
        assert [sender.post(body, path=PATH).status_code for _ in range(20)] == [200] * 19 + [429]

    def test_a_batch_of_bad_events_counts(self, sender: Sender) -> None:
        headers = {"Authorization": f"Bearer {sender.tenant.api_key}"}
        body = {"events": [sender.event(typo=1), sender.event()]}
        answers = [sender.post(body, path=PATH, headers=headers).status_code for _ in range(21)]
        assert answers == [200] * 20 + [429]

    def test_a_batch_of_nothing_but_bad_events_counts(self, sender: Sender) -> None:
        body = {"events": [{"typo": 1}], "site_id": sender.tenant.id, "api_key": sender.tenant.api_key}
        assert [sender.post(body, path=PATH).status_code for _ in range(21)] == [200] * 20 + [429]
