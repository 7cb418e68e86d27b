"""The inspector over HTTP: every way an event can end is seen, with its reason, and no key is."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from rybbit.ingest.visitor import hash_named
from rybbit.services import sites
from tests.web.host_app import Host
from tests.web.test_track_fuzz import requests
from tests.web.world import (
    BRITISH,
    CRAWLER,
    FIREFOX,
    GERMAN,
    PEER,
    Sender,
    Tenant,
    World,
    broken_journal,
    call,
    running,
)

PROXY = "10.1.2.3"


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRUSTED_PROXIES": "10.0.0.0/8", "RYBBIT_BROWSER_RATE_LIMIT": ""}


def look(world: World, tenant: Tenant, query: str = "limit=1000") -> dict[str, Any]:
    answer = world.read(tenant, f"inspector?{query}")
    assert answer.status_code == 200
    found: dict[str, Any] = json.loads(answer.data)
    return found


def rows_of(world: World, tenant: Tenant) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = look(world, tenant)["data"]
    return rows


def only_row(world: World, sender: Sender) -> dict[str, Any]:
    (row,) = rows_of(world, sender.tenant)
    return row


def written(world: World, tenant: Tenant) -> str:
    return "".join(data for _, data in world.runtime.unkept.read(tenant.site_id))


def bytes_on_disk(world: World) -> bytes:
    return b"".join(path.read_bytes() for path in world.runtime.config.instance_path.glob("unkept*"))


class TestOutcomes:
    """Where an event went."""

    def test_kept(self, world: World, sender: Sender) -> None:
        assert sender.send(ip_address=BRITISH, hostname="a.example.com", type="pageview").status_code == 200
        row = only_row(world, sender)
        assert (row["outcome"], row["status"], row["reason"]) == ("kept", 200, None)
        assert (row["hostname"], row["pathname"], row["type"]) == ("a.example.com", "/", "pageview")
        assert (row["country"], row["browser"], row["operating_system"]) == ("GB", "Firefox", "Linux")
        # The site does not store addresses, and of a kept event nothing is written twice.
        assert (row["address"], row["address_from"], row["request"]) == ("", None, None)
        assert world.runtime.unkept.read(sender.tenant.site_id) == []

    def test_kept_with_its_address(self, world: World, way: str) -> None:
        tenant = world.add_tenant(trackIp=True)
        Sender(world.client(way), tenant).send(ip_address=BRITISH)
        assert rows_of(world, tenant)[0]["address"] == BRITISH

    def test_an_excluded_address(self, world: World, way: str) -> None:
        tenant = world.add_tenant(excludedIPs=["203.0.113.0/24"])
        sender = Sender(world.client(way), tenant)
        headers = {"Origin": tenant.origin, "X-Forwarded-For": f"198.51.100.1, {BRITISH}"}
        sender.post(sender.event(event_name="x"), headers=headers, peer=PROXY)
        row = only_row(world, sender)
        assert (row["outcome"], row["status"]) == ("filtered", 200)
        assert (row["reason"], row["rule"]) == ("ip", "203.0.113.0/24")
        assert row["address"] == BRITISH
        assert row["address_from"] == {
            "source": "x-forwarded-for",
            "peer": PROXY,
            "forwarded_for": f"198.51.100.1, {BRITISH}",
            "trusted": [{"address": PROXY, "range": "10.0.0.0/8"}],
        }
        assert (row["city"], row["browser"], row["request"]) == ("London", "Firefox", None)

    def test_a_country_and_a_bot(self, world: World, way: str) -> None:
        tenant = world.add_tenant(excludedCountries=["DE"])
        sender = Sender(world.client(way), tenant)
        sender.send(ip_address=GERMAN)
        sender.browse(headers={"User-Agent": CRAWLER})
        bot, country = rows_of(world, tenant)
        assert (bot["reason"], bot["user_agent"], bot["key"]) == ("bot", CRAWLER, None)
        assert (country["reason"], country["rule"]) == ("country", "DE")
        assert (country["key"], country["address"]) == (tenant.key_id, "2001:db8:de::/48")
        assert country["address_from"]["source"] == "ip_address"

    def test_a_foreign_origin(self, world: World, sender: Sender) -> None:
        sender.browse(headers={"Origin": "https://foreign.example"}, pathname="/a")
        row = only_row(world, sender)
        assert (row["outcome"], row["status"], row["reason"], row["rule"]) == (
            *("refused", 403),
            *("origin", "mismatch"),
        )
        assert row["error"] == "Origin mismatch. Received: https://foreign.example"
        assert (row["address"], row["address_from"]["peer"]) == ("192.0.2.0/24", "192.0.2.0/24")
        assert json.loads(row["request"]) == {"site_id": str(sender.tenant.site_id), "pathname": "/a"}

    def test_what_does_not_fit(self, world: World, sender: Sender) -> None:
        sender.send(type="click", event_name="x" * 300, ip_address=BRITISH)
        row = only_row(world, sender)
        assert (row["status"], row["reason"], row["rule"]) == (400, "invalid_payload", "type")
        assert "at most 256" in row["error"]
        assert (row["type"], row["event_name"]) == ("click", "x" * 300)
        assert (row["address"], row["city"]) == ("203.0.113.0/24", "London")
        assert json.loads(row["request"])["ip_address"] == "203.0.113.0/24"

    def test_a_form(self, world: World, sender: Sender) -> None:
        """What `curl -d` sends unless it is told otherwise."""
        sender.post(sender.event(), content_type="application/x-www-form-urlencoded")
        row = only_row(world, sender)
        assert (row["status"], row["reason"], row["rule"]) == (415, "invalid_payload", "content_type")
        assert world.drops(sender.tenant) == {("invalid_payload", "content_type"): 1}

    def test_a_field_that_needs_a_key(self, world: World, sender: Sender) -> None:
        sender.browse(ip_address=BRITISH)
        row = only_row(world, sender)
        assert (row["reason"], row["rule"], row["address"]) == (
            *("forbidden_field", "ip_address"),
            "192.0.2.0/24",
        )

    def test_a_wrong_key(self, world: World, sender: Sender) -> None:
        sender.send(key="rb_" + "0" * 32)
        row = only_row(world, sender)
        assert (row["status"], row["reason"], row["key"]) == (403, "invalid_key", None)

    def test_too_many(self, world: World, sender: Sender) -> None:
        statuses = [sender.send().status_code for _ in range(30)]
        refused = [row for row in rows_of(world, sender.tenant) if row["outcome"] == "refused"]
        assert len(refused) == statuses.count(429) > 0
        assert {row["key"] for row in refused} == {sender.tenant.key_id}

    def test_a_double(self, world: World, sender: Sender) -> None:
        for _ in range(2):
            sender.send(event_id="e", ip_address=BRITISH)
        double, kept = rows_of(world, sender.tenant)
        assert (kept["outcome"], double["outcome"], double["reason"]) == ("kept", "filtered", "duplicate")
        # It is a visitor's, whose address the site does not store.
        assert (double["address"], double["user_agent"]) == ("", "")
        assert BRITISH not in written(world, sender.tenant)

    def test_what_cannot_be_stored(self, world: World, sender: Sender) -> None:
        with broken_journal(world):
            assert sender.send(ip_address=BRITISH).status_code == 503
        row = only_row(world, sender)
        assert (row["outcome"], row["status"], row["reason"]) == ("refused", 503, "unavailable")
        assert BRITISH not in written(world, sender.tenant)

    def test_a_batch(self, world: World, sender: Sender) -> None:
        events = [{"pathname": "/good"}, {"pathname": 1}, [], {"nope": "x"}]
        body = {"site_id": sender.tenant.id, "api_key": sender.tenant.api_key, "events": events}
        sender.post(body, path="/api/track/batch")
        rows = rows_of(world, sender.tenant)
        assert [row["outcome"] for row in rows].count("kept") == 1
        shown = [json.loads(row["request"]) for row in rows if row["outcome"] == "refused"]
        assert [each.get("nope", each.get("pathname")) for each in shown] == ["x", 1]
        assert {each["api_key"] for each in shown} == {"…"}

    def test_a_batch_that_is_refused_whole(self, world: World, sender: Sender) -> None:
        events = [sender.event(pathname=f"/{number}") for number in range(3)]
        sender.post({"events": events}, path="/api/track/batch", headers={"Origin": "https://x.example"})
        assert [row["pathname"] for row in rows_of(world, sender.tenant)] == ["/2", "/1", "/0"]

    def test_a_long_body(self, world: World, sender: Sender) -> None:
        sender.send(page_title="é" * 5_000)
        row = only_row(world, sender)
        assert len(row["request"].encode()) <= 4096
        assert row["request_note"].startswith("Cut: 300")


class TestLooking:
    """Polling."""

    def test_with_the_cursor(self, world: World, sender: Sender) -> None:
        sender.send()
        first = look(world, sender.tenant)
        assert len(first["data"]) == 1
        again = look(world, sender.tenant, f"since={first['cursor']}")
        assert again["data"] == []
        sender.browse(headers={"Origin": "https://foreign.example"})
        third = look(world, sender.tenant, f"since={again['cursor']}")
        assert [row["outcome"] for row in third["data"]] == ["refused"]

    @pytest.mark.parametrize("query", ["since=x", "limit=0", "limit=1001", "filters=[1]"])
    def test_what_is_not_understood(self, world: World, sender: Sender, query: str) -> None:
        assert world.read(sender.tenant, f"inspector?{query}").status_code == 400

    def test_sites_see_their_own(self, world: World, sender: Sender) -> None:
        other = world.add_tenant()
        sender.browse(headers={"Origin": "https://foreign.example"})
        assert rows_of(world, other) == []

    def test_another_worker(self, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> None:
        """Each of two servers on one folder shows what the other one was sent, within a second."""
        folder = tmp_path_factory.mktemp("two") / "instance"
        with running(folder, migrated_file) as left, running(folder, migrated_file) as right:
            tenant = left.add_tenant()
            Sender(left.client(), tenant).send(pathname="/kept")
            Sender(left.client(), tenant).send(type="x", pathname="/left")
            Sender(right.client(), tenant).send(type="x", pathname="/right")
            end = time.monotonic() + 30
            while len(rows_of(right, tenant)) < 3 and time.monotonic() < end:
                time.sleep(0.05)
            assert {row["pathname"] for row in rows_of(right, tenant)} == {"/kept", "/left", "/right"}
            assert rows_of(right, tenant) == rows_of(left, tenant)

    def test_a_server_that_stops_writes_what_waits(
        self, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
    ) -> None:
        folder = tmp_path_factory.mktemp("stop") / "instance"
        with running(folder, migrated_file) as world:
            tenant = world.add_tenant()
            Sender(world.client(), tenant).send(type="x")
        assert b"invalid_payload" in (folder / "unkept.db").read_bytes()
        with running(folder, migrated_file) as world:
            assert [row["type"] for row in rows_of(world, tenant)] == ["x"]

    def test_from_the_host_app(self, host: Host) -> None:
        host.world.change(host.tenant, excludedIPs=["127.0.0.0/8"])
        with host.app.test_request_context("/page", environ_base={"REMOTE_ADDR": "127.0.0.1"}):
            assert not host.rybbit.track("bought")
        (row,) = rows_of(host.world, host.tenant)
        assert (row["reason"], row["rule"], row["event_name"]) == ("ip", "127.0.0.0/8", "bought")
        assert (row["pathname"], row["address_from"]["source"]) == ("/page", "host")


@pytest.mark.parametrize("obstacle", ["folder", "rubbish"])
def test_tracking_goes_on_without_it(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, obstacle: str
) -> None:
    """A disk that does not take it costs the inspector its rows, and no event, no answer, no count."""
    folder = tmp_path_factory.mktemp("full") / "instance"
    with running(folder, migrated_file) as world:
        sender = Sender(world.client(), world.add_tenant())
        path = world.runtime.unkept.path
        path.mkdir() if obstacle == "folder" else path.write_bytes(b"rubbish" * 999)
        assert sender.send(type="x").status_code == 400
        assert sender.send().json == {"success": True}
        world.runtime.inspector.flush()
        assert [row["outcome"] for row in rows_of(world, sender.tenant)] == ["kept"]
        assert world.drops(sender.tenant) == {("invalid_payload", "type"): 1}
    with running(folder, migrated_file) as world:
        sender = Sender(world.client(), world.add_tenant())
        assert sender.send().json == {"success": True}
        headers = {"Authorization": f"Bearer {sender.tenant.account_key}"}
        assert world.client().delete(f"/api/sites/{sender.tenant.id}", headers=headers).status_code == 200


class TestForgetting:
    """Nothing outlives its site or its visitor."""

    def test_a_site(self, world: World, sender: Sender) -> None:
        sender.send(type="of-the-gone-site")
        look(world, sender.tenant)
        assert b"of-the-gone-site" in bytes_on_disk(world)
        sender.send(type="of-the-gone-site")
        headers = {"Authorization": f"Bearer {sender.tenant.account_key}"}
        answer = sender.client.delete(f"/api/sites/{sender.tenant.site_id}", headers=headers)
        assert answer.status_code == 200
        world.runtime.inspector.flush()
        assert b"of-the-gone-site" not in bytes_on_disk(world)

    def test_a_visitor(self, world: World, sender: Sender) -> None:
        sender.send(type="nope", user_id="ann")
        sender.send(type="nope", user_id="bob")
        assert len(rows_of(world, sender.tenant)) == 2
        sender.send(type="nope", user_id="ann")
        with world.app.app_context():
            tracked = world.runtime.directory.find_site(str(sites.site_for(sender.tenant.id).site_id))
        assert tracked is not None
        world.runtime.deletion.delete_visitor(sender.tenant.site_id, hash_named(tracked, "ann"))
        shown = [json.loads(row["request"])["user_id"] for row in rows_of(world, sender.tenant)]
        assert shown == ["bob"]
        assert b'"ann' not in bytes_on_disk(world)


class TestKeys:
    """No key that was sent is shown or kept."""

    def test_in_every_place(self, world: World, sender: Sender) -> None:
        token = sender.tenant.api_key
        headers = {"Origin": f"https://{token}.example", "User-Agent": f"{FIREFOX} {token}"}
        body = sender.event(
            **dict.fromkeys(("pathname", "hostname", "event_name", "type"), f"/{token}"),
            **{token: token},
            properties=json.dumps({"a": {"b": token}}),
        )
        escaped = json.dumps(body).replace("rb_", "\\u0072b_").encode()
        for sent in (json.dumps(body).encode(), escaped):
            for way in ({"Authorization": f"Bearer {token}"}, {}):
                sender.post(sent, headers=headers | way)
                sender.post(sent, headers=headers | way, path="/api/track/batch")
                sender.post(sent, headers=headers | way, content_type="text/html")
        text = json.dumps(rows_of(world, sender.tenant))
        assert len(text) > 1000
        for hidden in (token, token[3:12]):
            assert hidden not in text
            assert hidden.encode() not in bytes_on_disk(world)

    @examples(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=64).filter(
            lambda text: len(set(text)) > 5
        ),
        place=st.sampled_from(["pathname", "hostname", "nope", "user_id", "properties", "type"]),
        in_header=st.booleans(),
    )
    def test_any_key(self, world: World, secret: str, place: str, in_header: bool) -> None:
        tenant = world.add_tenant()
        sender = Sender(world.client(), tenant)
        body = sender.event(api_key=secret, **{place: f"a{secret}b"}, screenWidth=-1)
        headers = {"Authorization": f"Bearer {secret}"} if in_header else {}
        sender.post(body, headers=headers)
        sender.post({"events": [body]}, path="/api/track/batch", headers=headers)
        rows = rows_of(world, tenant)
        assert len(rows) == 2
        for row in rows:
            request = json.loads(row["request"])
            assert secret not in json.dumps([row, request], ensure_ascii=False)
            assert all(secret not in str(value) for value in (*row.values(), *request.values()))
        assert secret not in written(world, tenant)


@examples(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_sent_can_be_shown(world: World, data: st.DataObject) -> None:
    tenant = world.add_tenant()
    token = tenant.api_key
    call(world.client(), data.draw(requests(tenant)))
    rows = rows_of(world, tenant)
    assert token not in json.dumps(rows)
    assert all(row["outcome"] in ("kept", "filtered", "refused") for row in rows)
    counted = sum(world.drops(tenant).values())
    assert min(counted, 100) <= len([row for row in rows if row["outcome"] != "kept"]) or counted > 100


def test_hostile_fields_come_back_as_text(world: World, sender: Sender) -> None:
    for text in ("<script>", "\ud800", "\0", "é" * 3000, '"\\'):
        sender.send(pathname=text, nope=text)
    rows = rows_of(world, sender.tenant)
    assert [row["pathname"] for row in rows][::-1] == ["<script>", "?", "\0", "é" * 512, '"\\']


def test_members_only(world: World) -> None:
    tenant = world.add_tenant(public=True)
    assert world.read(tenant, "events", key=None).status_code == 200
    assert world.read(tenant, "inspector", key=None).status_code == 401
    assert world.read(tenant, "inspector", key=tenant.api_key).status_code == 401
    assert world.read(tenant, "inspector", key=world.add_tenant().account_key).status_code == 404
    assert world.read(tenant, "inspector", key=world.add_member_key(tenant)).status_code == 200
    answer = world.read(tenant, "inspector")
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_peer_is_what_is_shown(world: World, sender: Sender) -> None:
    """A proxy that nobody named as trusted shows itself: its address stands where the visitor's should."""
    headers = {"Origin": "https://foreign.example", "X-Forwarded-For": BRITISH}
    sender.post(sender.event(), headers=headers, peer="172.16.0.9")
    row = only_row(world, sender)
    assert row["address"] == "172.16.0.9"
    assert row["address_from"] == {
        "source": "peer",
        "peer": "172.16.0.9",
        "forwarded_for": "203.0.113.0/24",
        "trusted": [],
    }
    assert "which is not among the trusted proxies" in row["address_why"]
    assert PEER not in json.dumps(row)
