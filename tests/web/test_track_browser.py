"""`POST /api/track` without a key: from pages of the site, by people, without the fields that need a key."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from rybbit import clock
from tests.web.world import (
    BRITISH,
    CRAWLER,
    FIREFOX,
    PEER,
    WAYS,
    Sender,
    World,
    broken_database,
    call,
    running,
)

ACCEPTED = {"success": True}
REQUIRED = {"success": False, "error": "Origin header required"}
BOT = {"success": True, "message": "Event not tracked - bot detected"}
BEACON = "text/plain;charset=UTF-8"


def _mismatch(received: str) -> dict[str, object]:
    return {"success": False, "error": f"Origin mismatch. Received: {received}"}


class TestOrigin:
    """Where the page is from."""

    @pytest.mark.parametrize(
        "origin",
        [
            "https://{}",
            "http://{}",
            "https://{}:8443",
            "https://www.{}",
            "https://a.b.c.{}",
            "https://{}.",
            "capacitor://{}",
        ],
    )
    def test_the_domain_and_what_is_below_it(self, world: World, sender: Sender, origin: str) -> None:
        for domain in (sender.tenant.domain, sender.tenant.domain.upper()):
            answer = sender.browse(headers={"Origin": origin.format(domain)})
            assert (answer.status_code, answer.json) == (200, ACCEPTED)
        assert len(world.stored(sender.tenant)) == 2

    @pytest.mark.parametrize(
        "origin",
        [
            "https://elsewhere.example.org",
            "https://example.com",
            "https://evil{}",
            "https://{}.evil.example",
            "https://{}@evil.example",
            "https://evil.example/{}",
            "https://evil.example?{}",
            "https://evil.example#{}",
            "{}",
            "//",
            "null",
            "https://",
            "https://[::1",
            "https://[::1]",
            "https://127.0.0.1:8000",
            "https://ｅvil.example",
            "https://" + "a." * 60 + "com",
        ],
    )
    def test_any_other(self, world: World, sender: Sender, origin: str) -> None:
        received = origin.format(sender.tenant.domain)
        # The wire has bytes only; servers hand them over as Latin-1.
        answer = sender.browse(headers={"Origin": received.encode().decode("latin-1")})
        assert answer.status_code == 403
        if received.isascii():
            assert answer.json == _mismatch(received)
        assert world.stored(sender.tenant) == []
        assert world.drops(sender.tenant) == {("origin", "mismatch"): 1}

    def test_what_is_received_is_shown_short_and_printable(self, sender: Sender) -> None:
        answer = sender.browse(headers={"Origin": "https://e\t\x7f\x1b[31m" + "x" * 300})
        assert answer.json == _mismatch("https://e[31m" + "x" * (200 - 16))

    def test_none(self, world: World, sender: Sender) -> None:
        for headers in ({}, {"Origin": ""}, {"Origin": "", "Referer": ""}):
            answer = sender.post(sender.event(), headers=headers)
            assert (answer.status_code, answer.json) == (403, REQUIRED)
        assert world.stored(sender.tenant) == []
        assert world.drops(sender.tenant) == {("origin", "missing"): 3}

    def test_the_referer_stands_in(self, world: World, sender: Sender) -> None:
        page = f"https://www.{sender.tenant.domain}/a/b?c=d#e"
        assert sender.post(sender.event(), headers={"Referer": page}).json == ACCEPTED
        elsewhere = f"https://evil.example/?from={page}"
        answer = sender.post(sender.event(), headers={"Referer": elsewhere})
        assert (answer.status_code, answer.json) == (403, _mismatch(elsewhere))
        assert len(world.stored(sender.tenant)) == 1

    def test_the_origin_goes_before_the_referer(self, world: World, sender: Sender) -> None:
        ours, theirs = sender.tenant.origin, "https://evil.example"
        good = sender.post(sender.event(), headers={"Origin": ours, "Referer": f"{theirs}/"})
        bad = sender.post(sender.event(), headers={"Origin": theirs, "Referer": f"{ours}/"})
        assert (good.status_code, bad.status_code) == (200, 403)
        assert len(world.stored(sender.tenant)) == 1

    def test_an_international_domain(self, world: World, way: str) -> None:
        sender = Sender(world.client(way), world.add_tenant(domain=f"Bücher.{way}.example"))
        assert sender.tenant.domain == f"xn--bcher-kva.{way}.example"
        for host in (f"xn--bcher-kva.{way}.example", f"www.XN--BCHER-KVA.{way}.example"):
            assert sender.browse(headers={"Origin": f"https://{host}"}).json == ACCEPTED
        assert sender.browse(headers={"Origin": f"https://bucher.{way}.example"}).status_code == 403

    def test_a_site_does_not_speak_for_another(self, world: World, sender: Sender) -> None:
        other = world.add_tenant()
        assert sender.browse(site_id=other.id).status_code == 403
        assert world.stored(other) == []


class TestFields:
    """With these a page could step around exclusions."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("ip_address", BRITISH),
            ("user_agent", FIREFOX),
            ("user_agent", ""),
            ("timestamp", 1_772_366_400_000),
        ],
    )
    def test_need_a_key(self, world: World, sender: Sender, field: str, value: object) -> None:
        fields: dict[str, Any] = {field: value}
        answer = sender.browse(**fields)
        error = f"{field} requires an API key"
        assert (answer.status_code, answer.json) == (403, {"success": False, "error": error})
        assert world.stored(sender.tenant) == []
        assert world.drops(sender.tenant) == {("forbidden_field", field): 1}
        assert sender.send(**fields).json == ACCEPTED

    def test_all_others_are_taken(self, world: World, sender: Sender) -> None:
        fields: dict[str, Any] = {
            "type": "custom_event",
            "event_name": "e",
            "properties": "{}",
            "hostname": sender.tenant.domain,
            "page_title": "t",
            "referrer": "https://www.example.net/",
            "user_id": "u",
            "querystring": "a=b",
            "language": "en",
            "screenWidth": 1920,
            "screenHeight": 1080,
            "event_id": "1",
        }
        assert sender.browse(**fields).json == ACCEPTED
        (row,) = world.stored(sender.tenant)
        names = {"screenWidth": "screen_width", "screenHeight": "screen_height"}
        assert {name: row[names.get(name, name)] for name in fields} == fields


class TestBots:
    """Crawlers, and who hides what it is."""

    @pytest.mark.parametrize("user_agent", [CRAWLER, "", "   ", "curl/8.5.0", "python-requests/2.32.5"])
    def test_are_kept_out(self, world: World, sender: Sender, user_agent: str) -> None:
        answer = sender.browse(headers={"User-Agent": user_agent})
        assert (answer.status_code, answer.json) == (200, BOT)
        assert world.stored(sender.tenant) == []
        assert world.drops(sender.tenant) == {("bot", ""): 1}

    def test_no_user_agent_at_all(self, world: World, sender: Sender) -> None:
        body = json.dumps(sender.event()).encode()
        # The client of tests would name itself.
        environ = {
            "PATH_INFO": "/api/track",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "HTTP_ORIGIN": sender.tenant.origin,
            "REMOTE_ADDR": PEER,
        }
        assert call(sender.client, environ).json == BOT
        assert world.drops(sender.tenant) == {("bot", ""): 1}

    def test_are_welcome_where_the_site_says_so(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, blockBots=False)
        for user_agent in (CRAWLER, ""):
            assert sender.browse(headers={"User-Agent": user_agent}).json == ACCEPTED
        assert len(world.stored(sender.tenant)) == 2

    def test_people_are_described(self, world: World, sender: Sender) -> None:
        before = clock.now_ms()
        assert sender.browse().json == ACCEPTED
        (row,) = world.stored(sender.tenant)
        assert (row["browser"], row["operating_system"], row["device_type"]) == (
            "Firefox",
            "Linux",
            "Desktop",
        )
        assert before <= row["timestamp"] <= clock.now_ms()


class TestCors:
    """Pages of any origin may ask; the domain check decides."""

    @pytest.mark.parametrize("path", ["/api/track", "/api/track/batch"])
    def test_preflight(self, sender: Sender, path: str) -> None:
        answer = sender.client.options(
            path,
            headers={
                "Origin": "https://anywhere.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type,authorization",
                "Cookie": "rybbit_session=x",
            },
        )
        assert answer.status_code == 204
        assert answer.data == b""
        allowed = answer.headers
        assert allowed["Access-Control-Allow-Origin"] == "*"
        assert "POST" in allowed["Access-Control-Allow-Methods"]
        names = {name.strip().lower() for name in allowed["Access-Control-Allow-Headers"].split(",")}
        assert {"content-type", "authorization"} <= names
        assert int(allowed["Access-Control-Max-Age"]) > 0
        assert "Access-Control-Allow-Credentials" not in allowed
        assert "Set-Cookie" not in allowed

    @pytest.mark.parametrize("path", ["/api/track", "/api/track/batch"])
    def test_preflight_of_a_beacon_on_a_page_of_a_site(self, sender: Sender, path: str) -> None:
        """Beacons of JSON are sent "with credentials", and then a browser takes no wildcard."""
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        for host in (sender.tenant.domain, f"www.{sender.tenant.domain}", f"{sender.tenant.domain}:8443"):
            answer = sender.client.options(path, headers={"Origin": f"https://{host}", **asked})
            assert answer.status_code == 204
            assert answer.headers["Access-Control-Allow-Origin"] == f"https://{host}"
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            assert answer.headers["Vary"] == "Origin"
        for origin in ("null", "", "https://", f"https://x{sender.tenant.domain}", "https://[", "\x00.a"):
            answer = sender.client.options(path, headers={"Origin": origin, **asked})
            assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]
            assert "Access-Control-Allow-Credentials" not in answer.headers

    def test_preflight_while_the_database_is_away(self, tmp_path: Path, migrated_file: Path) -> None:
        with running(tmp_path / "instance", migrated_file) as world:
            tenant = world.add_tenant()
            with broken_database(world):
                answer = world.client().options("/api/track", headers={"Origin": tenant.origin})
            assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")

    def test_a_beacon(self, world: World, sender: Sender) -> None:
        answer = sender.post(sender.event(), headers={"Origin": sender.tenant.origin}, content_type=BEACON)
        assert answer.json == ACCEPTED
        assert len(world.stored(sender.tenant)) == 1

    def test_every_answer_can_be_read(self, tmp_path: Path, migrated_file: Path, way: str) -> None:
        limits = {"RYBBIT_BROWSER_RATE_LIMIT": "4/day"}
        with running(tmp_path / "instance", migrated_file, **limits) as world:
            sender = Sender(world.client(way), world.add_tenant(excludedIPs=["198.51.100.1"]))
            origin = {"Origin": sender.tenant.origin}
            excluded = sender.post(sender.event(), headers=origin, peer="198.51.100.1")
            answers = {
                "stored": sender.browse(),
                "bot": sender.browse(headers={"User-Agent": CRAWLER}),
                "excluded": excluded,
                "payload": sender.browse(typo=1),
                "no JSON": sender.post(b"{", headers=origin),
                "unknown site": sender.browse(site_id="99999999"),
                "key": sender.send(key="x"),
                "origin": sender.browse(headers={"Origin": "https://evil.example"}),
                "field": sender.browse(timestamp=1_772_366_400_000),
                "limit": sender.browse(),
                "content type": sender.post(b"a=b", headers=origin, content_type="text/html"),
                "size": sender.post(b" " * 65_537, headers=origin),
                "method": sender.client.get("/api/track", headers=origin),
                "batch": sender.post({"events": []}, path="/api/track/batch", headers=origin),
                "batch method": sender.client.put("/api/track/batch", headers=origin),
            }
            world.runtime.journal.close()
            answers["unavailable"] = sender.send()
        statuses = [answer.status_code for answer in answers.values()]
        assert statuses == [200, 200, 200, 400, 400, 404, 403, 403, 403, 429, 415, 413, 405, 400, 405, 503]
        for name, answer in answers.items():
            assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"], name
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "Set-Cookie" not in answer.headers
            assert isinstance(json.loads(answer.data)["success"], bool), name

    @pytest.mark.parametrize(
        "path", ["/api/health", "/api/version", "/api/config", "/api/sites/1/overview", "/api/sites/1/events"]
    )
    def test_everything_else_is_same_origin(self, world: World, path: str) -> None:
        headers = {"Origin": "https://anywhere.example", "Access-Control-Request-Method": "GET"}
        for method in ("GET", "OPTIONS"):
            answer = world.client().open(path, method=method, headers=headers)
            assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("way", WAYS)
def test_a_page_of_the_site_and_a_key_together_are_judged_by_the_key(
    world: World, way: str, tenant: Any
) -> None:
    sender = Sender(world.client(way), tenant)
    headers = {"Origin": tenant.origin, "Authorization": "Bearer rb_" + "0" * 32}
    assert sender.post(sender.event(), headers=headers).status_code == 403
    headers["Authorization"] = f"Bearer {tenant.api_key}"
    answer = sender.post(sender.event(user_agent=CRAWLER, ip_address=BRITISH), headers=headers)
    assert answer.json == ACCEPTED
