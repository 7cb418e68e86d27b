"""`POST /api/track` with a key: who may send, what is stored, and what the sender is told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rybbit import clock
from rybbit.extensions import db
from rybbit.models import Key
from tests.web.world import BRITISH, GERMAN, PEER, Sender, Tenant, World, running

ACCEPTED = {"success": True}
INVALID_KEY = {"success": False, "error": "Invalid API key"}
NOT_FOUND = {"success": False, "error": "Site not found"}
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}


class TestStored:
    """An accepted event, as it lies in the store."""

    def test_every_field_is_kept_and_enriched(self, world: World, sender: Sender) -> None:
        answer = sender.send(
            type="pageview",
            pathname="/prices",
            hostname="shop.example.org",
            page_title='Prices "now" \n <b>ä😀',
            referrer="https://www.google.com/search?q=x",
            user_id="  someone  ",
            user_agent=IPHONE,
            ip_address=BRITISH,
            querystring="?utm_source=News&utm_medium=email&utm_campaign=c&utm_term=t&utm_content=d&ref=1",
            language="de-AT",
            screenWidth=390,
            screenHeight=844,
            properties='{"a": 1}',
            timestamp="2026-01-02T03:04:05.678+01:00",
            event_id="event-1",
        )
        assert (answer.status_code, answer.json) == (200, ACCEPTED)
        (row,) = world.stored(sender.tenant)
        assert all(row.pop(name) for name in ("id", "session_id", "user_hash"))
        assert json.loads(row.pop("url_parameters")) == {"ref": "1"}
        assert row == {
            "site_id": sender.tenant.site_id,
            "timestamp": 1_767_319_445_678,
            "type": "pageview",
            "user_id": "someone",
            "event_id": "event-1",
            "hostname": "shop.example.org",
            "pathname": "/prices",
            "querystring": "?utm_source=News&utm_medium=email&utm_campaign=c&utm_term=t&utm_content=d&ref=1",
            "page_title": 'Prices "now" \n <b>ä😀',
            "referrer": "https://www.google.com/search?q=x",
            "referrer_domain": "google.com",
            "channel": "Email",
            "utm_source": "News",
            "utm_medium": "email",
            "utm_campaign": "c",
            "utm_term": "t",
            "utm_content": "d",
            "browser": "Mobile Safari",
            "browser_version": "17",
            "operating_system": "iOS",
            "operating_system_version": "17.5",
            "device_type": "Mobile",
            "language": "de-AT",
            "country": "GB",
            "region": "GB-ENG",
            "city": "London",
            "timezone": "Europe/London",
            "lat": 51.5,
            "lon": -0.12,
            "screen_width": 390,
            "screen_height": 844,
            "event_name": None,
            "properties": '{"a": 1}',
            **dict.fromkeys(("lcp", "cls", "inp", "fcp", "ttfb", "ip")),
        }

    def test_what_is_not_sent_comes_from_the_request(self, world: World, sender: Sender) -> None:
        before = clock.now_ms()
        answer = sender.post(
            {"site_id": sender.tenant.site_id, "api_key": sender.tenant.api_key}, peer=GERMAN
        )
        assert (answer.status_code, answer.json) == (200, ACCEPTED)
        (row,) = world.stored(sender.tenant)
        assert before <= row["timestamp"] <= clock.now_ms()
        assert row["type"] == "pageview"
        assert row["session_id"] == row["id"]
        assert (row["browser"], row["operating_system"]) == ("Firefox", "Linux")
        assert (row["country"], row["city"]) == ("DE", "Berlin")
        assert row["channel"] == "Direct"
        assert {row[name] for name in ("user_id", "pathname", "hostname", "ip", "event_id", "lcp")} == {None}

    def test_vitals_are_kept_and_null_is_none(self, world: World, sender: Sender) -> None:
        answer = sender.send(type="performance", lcp=1200.5, cls=0, inp=None, fcp=7, ttfb=0.25)
        assert answer.json == ACCEPTED
        (row,) = world.stored(sender.tenant)
        vitals = [row[name] for name in ("lcp", "cls", "inp", "fcp", "ttfb")]
        assert vitals == [1200.5, 0, None, 7, 0.25]

    @pytest.mark.parametrize(
        "fields",
        [
            {"type": "custom_event", "event_name": "signed up", "properties": '{"plan": "pro"}'},
            {"type": "custom_event", "event_name": "x"},
            {"type": "outbound", "properties": '{"url": "https://example.org/", "text": "t"}'},
            {
                "type": "error",
                "event_name": "TypeError",
                "properties": '{"message": "m", "stack": "s", "lineNumber": 3}',
            },
        ],
        ids=lambda fields: str(fields["type"]),
    )
    def test_each_type(self, world: World, sender: Sender, fields: dict[str, Any]) -> None:
        assert sender.send(**fields).json == ACCEPTED
        (row,) = world.stored(sender.tenant)
        assert {name: row[name] for name in fields} == fields

    @pytest.mark.parametrize(
        "timestamp",
        ["2026-03-01T12:00:00Z", 1_772_366_400_000, 1_772_366_400_000.9, "2026-03-01 13:00+01:00"],
    )
    def test_a_time_of_its_own(self, world: World, sender: Sender, timestamp: object) -> None:
        assert sender.send(timestamp=timestamp).json == ACCEPTED
        noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
        assert [row["timestamp"] for row in world.stored(sender.tenant)] == [noon.timestamp() * 1000]

    def test_the_address_is_kept_if_the_site_says_so(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, trackIp=True)
        sender.send(ip_address=f"::ffff:{BRITISH}")
        sender.send(peer="::ffff:192.0.2.9")
        assert [row["ip"] for row in world.stored(sender.tenant)] == [BRITISH, "192.0.2.9"]

    def test_a_forwarded_address_counts_from_a_trusted_proxy_alone(
        self, world: World, sender: Sender
    ) -> None:
        world.change(sender.tenant, trackIp=True)
        headers = {
            "Authorization": f"Bearer {sender.tenant.api_key}",
            "X-Forwarded-For": f"198.51.100.1, {BRITISH}, 10.1.1.1",
        }
        for peer in ("10.0.0.1", "::1", PEER):
            sender.post(sender.event(), headers=headers, peer=peer)
        assert [row["ip"] for row in world.stored(sender.tenant)] == [BRITISH, BRITISH, PEER]

    def test_events_of_one_visitor_share_a_session(self, world: World, sender: Sender) -> None:
        for fields in ({}, {}, {"user_agent": IPHONE}, {"user_id": "a"}, {"ip_address": BRITISH}):
            assert sender.send(**fields).json == ACCEPTED
        rows = world.stored(sender.tenant)
        assert [row["session_id"] for row in rows] == [rows[first]["id"] for first in (0, 0, 2, 3, 4)]
        assert len({row["user_hash"] for row in rows}) == 4


class TestSite:
    """The names a site goes by."""

    @pytest.mark.parametrize("form", ["number", "text", "zeros", "float", "id", "capital id"])
    def test_each_is_the_same_site(self, world: World, sender: Sender, form: str) -> None:
        number, public_id = sender.tenant.site_id, sender.tenant.id
        forms: dict[str, object] = {
            "number": number,
            "text": str(number),
            "zeros": f"000{number}",
            "float": float(number),
            "id": public_id,
            "capital id": public_id.upper(),
        }
        assert sender.send(site_id=forms[form]).json == ACCEPTED
        assert len(world.stored(sender.tenant)) == 1

    @pytest.mark.parametrize("site_id", ["0", "99999999", "9" * 40, "abcdefabcdef", 10**30, "000000000000"])
    def test_one_that_does_not_exist(self, sender: Sender, site_id: object) -> None:
        with_key = sender.send(site_id=site_id)
        assert (with_key.status_code, with_key.json) == (403, NOT_FOUND)
        without = sender.browse(site_id=site_id)
        assert (without.status_code, without.json) == (404, NOT_FOUND)

    @pytest.mark.parametrize("site_id", ["", "x", "-1", "12 ", 1.5, True, None, [], "1" * 11 + "g"])
    def test_what_is_no_name_of_a_site_is_a_bad_payload(self, sender: Sender, site_id: object) -> None:
        answer = sender.send(site_id=site_id)
        assert answer.status_code == 400
        assert list(json.loads(answer.data)["details"]["fieldErrors"]) == ["site_id"]


class TestKey:
    """Which keys let an event in."""

    def test_in_the_body(self, world: World, sender: Sender) -> None:
        assert sender.post(sender.event(api_key=sender.tenant.api_key)).json == ACCEPTED
        assert len(world.stored(sender.tenant)) == 1

    def test_in_both_places(self, sender: Sender) -> None:
        assert sender.send(api_key=sender.tenant.api_key).json == ACCEPTED

    def test_two_different_ones_are_a_wrong_key(self, world: World, sender: Sender) -> None:
        other = world.add_key(sender.tenant)
        assert sender.send(key=other).json == ACCEPTED
        answer = sender.send(api_key=other)
        assert (answer.status_code, answer.json) == (403, INVALID_KEY)
        assert len(world.stored(sender.tenant)) == 1

    def test_the_scheme_is_written_in_any_case(self, sender: Sender) -> None:
        answer = sender.post(sender.event(), headers={"Authorization": f"bEARER   {sender.tenant.api_key} "})
        assert answer.json == ACCEPTED

    def test_of_an_account_that_belongs_there(self, world: World, sender: Sender) -> None:
        keys = (
            sender.tenant.account_key,
            world.add_member_key(sender.tenant),
            world.add_organization_key(sender.tenant),
        )
        assert [sender.send(key=key).json for key in keys] == [ACCEPTED] * 3

    @pytest.mark.parametrize("kind", ["tracking", "account"])
    def test_of_somebody_else(self, world: World, sender: Sender, kind: str) -> None:
        stranger = world.add_tenant()
        key = stranger.api_key if kind == "tracking" else stranger.account_key
        answer = sender.send(key=key)
        assert (answer.status_code, answer.json) == (403, INVALID_KEY)
        assert world.stored(sender.tenant) == []
        assert world.drops(sender.tenant) == {("invalid_key", ""): 1}

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "rb_",
            "secret",
            "rb_" + "0" * 32,
            "RB_" + "0" * 32,
            "rb_" + "g" * 32,
            "rb_" + "0" * 31,
            "rb_" + "0" * 61,
            "ä" * 64,
            "' or 1=1 --",
        ],
    )
    def test_malformed_and_unknown_ones_are_wrong_keys(self, sender: Sender, key: str) -> None:
        answer = sender.post(sender.event(api_key=key))
        assert (answer.status_code, answer.json) == (403, INVALID_KEY)
        by_header = sender.post(sender.event(), headers={"Authorization": "Bearer " + key})
        assert (by_header.status_code, by_header.json) == (403, INVALID_KEY)

    def test_nothing_but_the_exact_key(self, sender: Sender) -> None:
        key = sender.tenant.api_key
        for wrong in (key.upper(), key[:-1], f"{key}0", f" {key}", f"{key}\n", key[3:]):
            assert sender.post(sender.event(api_key=wrong)).status_code == 403

    def test_one_longer_than_the_field_is_a_bad_payload(self, sender: Sender) -> None:
        answer = sender.post(sender.event(api_key="x" * 65))
        assert answer.status_code == 400
        assert json.loads(answer.data)["details"]["fieldErrors"] == {
            "api_key": ["String must contain at most 64 character(s)"]
        }

    def test_revoked_and_expired(self, world: World, sender: Sender) -> None:
        for end in (world.revoke, world.expire):
            key = world.add_key(sender.tenant)
            assert sender.send(key=key).json == ACCEPTED
            end(key)
            answer = sender.send(key=key)
            assert (answer.status_code, answer.json) == (403, INVALID_KEY)
        assert len(world.stored(sender.tenant)) == 2
        assert world.drops(sender.tenant) == {("invalid_key", ""): 2}

    def test_no_bearer_is_no_key(self, world: World, sender: Sender) -> None:
        for authorization in ("", "Basic cmI6cmI=", f"Token {sender.tenant.api_key}", sender.tenant.api_key):
            answer = sender.post(sender.event(), headers={"Authorization": authorization})
            assert (answer.status_code, answer.json) == (
                403,
                {"success": False, "error": "Origin header required"},
            )
        assert world.stored(sender.tenant) == []

    def test_a_bot_and_a_foreign_page_may_send_with_a_key(self, world: World, sender: Sender) -> None:
        headers = {
            "Authorization": f"Bearer {sender.tenant.api_key}",
            "Origin": "https://elsewhere.example.org",
            "User-Agent": "curl/8.5.0",
        }
        assert sender.post(sender.event(), headers=headers).json == ACCEPTED
        assert len(world.stored(sender.tenant)) == 1


class TestDoubles:
    """The same `event_id` again."""

    def test_is_acknowledged_and_not_stored(self, world: World, sender: Sender) -> None:
        assert [sender.send(event_id="e", pathname=path).json for path in ("/1", "/2")] == [ACCEPTED] * 2
        assert sender.send(event_id="E").json == ACCEPTED
        rows = world.stored(sender.tenant)
        assert [(row["event_id"], row["pathname"]) for row in rows] == [("e", "/1"), ("E", "/")]
        assert world.drops(sender.tenant) == {("duplicate", ""): 1}

    def test_another_site_has_its_own(self, world: World, sender: Sender) -> None:
        other = Sender(sender.client, world.add_tenant())
        for each in (sender, other):
            assert each.send(event_id="e").json == ACCEPTED
            assert len(world.stored(each.tenant)) == 1

    def test_counts_again_after_a_day(
        self, tmp_path: Path, migrated_file: Path, way: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A world of its own: the ids of later events never go back behind a clock that went ahead.
        now = clock.now_ms()
        hour = 60 * 60 * 1000
        with running(tmp_path / "instance", migrated_file) as world:
            sender = Sender(world.client(way), world.add_tenant())
            for hours, stored in ((0, 1), (23.9, 1), (24.1, 2)):
                moment = int(now + hours * hour)
                monkeypatch.setattr(clock, "now_ms", lambda moment=moment: moment)
                assert sender.send(event_id="daily").json == ACCEPTED
                assert len(world.stored(sender.tenant)) == stored


class TestAnswer:
    """What comes beside the body."""

    def test_headers(self, sender: Sender) -> None:
        answer = sender.send()
        assert answer.data == b'{"success":true}'
        assert dict(answer.headers) == {
            "Access-Control-Allow-Origin": "*",
            "Content-Type": "application/json",
            "Content-Length": "16",
            "Cache-Control": "no-store",
        }

    def test_a_cookie_changes_nothing(self, sender: Sender) -> None:
        answer = sender.post(
            sender.event(api_key=sender.tenant.api_key), headers={"Cookie": "rybbit_session=x; a=b"}
        )
        assert answer.json == ACCEPTED
        assert "Set-Cookie" not in answer.headers
        assert "Vary" not in answer.headers

    def test_a_use_of_the_key_is_noted_without_a_write_per_request(
        self, tmp_path: Path, migrated_file: Path, way: str
    ) -> None:
        before = clock.now()
        with running(tmp_path / "instance", migrated_file) as world:
            sender = Sender(world.client(way), world.add_tenant())
            world.runtime.start()
            assert sender.send().json == ACCEPTED
            assert _last_used(world, sender.tenant) is None
            world.runtime.stop()
            used = _last_used(world, sender.tenant)
        assert used is not None and before <= used <= clock.now()


def _last_used(world: World, tenant: Tenant) -> datetime | None:
    with world.app.app_context():
        key = db.session.get(Key, tenant.key_id)
        assert key is not None
        return key.last_used_at
