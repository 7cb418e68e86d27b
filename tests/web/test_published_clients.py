"""The requests of the clients that are published for this API: the Node SDK and the web SDK."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.web.world import BRITISH, Sender, Tenant, World

ACCEPTED = {"success": True}

# What the Node SDK adds to `site_id`, `type` and `api_key`; it sends no header beside the content type.
FROM_NODE: list[dict[str, Any]] = [
    {"type": "pageview"},
    {
        "type": "pageview",
        "hostname": "example.com",
        "pathname": "/a",
        "querystring": "?b=1",
        "screenWidth": 1920,
        "screenHeight": 1080,
        "language": "en-GB",
        "page_title": "A",
        "referrer": "https://example.org/",
        "user_id": "ada",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "ip_address": BRITISH,
    },
    {"type": "custom_event", "event_name": "buy"},
    {"type": "custom_event", "event_name": "buy", "properties": '{"plan":"pro","tags":["a",1,true]}'},
]

# What the web SDK adds to what it says of every page.
FROM_PAGES: list[dict[str, Any]] = [
    {"type": "pageview"},
    {"type": "pageview", "pathname": "/app#/inbox", "user_id": "ada"},
    {"type": "custom_event", "event_name": "buy"},
    {"type": "custom_event", "event_name": "buy", "properties": '{"plan":"pro"}'},
    {"type": "outbound", "properties": '{"url":"https://example.org/x","text":"","target":"_self"}'},
    {
        "type": "performance",
        "event_name": "web-vitals",
        "lcp": 1204.5,
        "cls": 0,
        "inp": None,
        "fcp": 800.1,
        "ttfb": 12,
    },
    {
        "type": "error",
        "event_name": "TypeError",
        "properties": json.dumps(
            {
                "error_name": "TypeError",
                "message": "x is undefined",
                "stack": "TypeError: x\n    at f (a.js:1:2)" + "\n    at g (b.js:10:20)" * 90,
                "filename": "https://example.com/a.js",
                "line_number": 1,
                "column_number": 2,
            }
        ),
    },
]


def from_page(tenant: Tenant, **fields: Any) -> dict[str, Any]:
    """An event of the web SDK."""
    return {
        "site_id": tenant.id,
        "hostname": tenant.domain,
        "pathname": "/",
        "querystring": "",
        "screenWidth": 1280,
        "screenHeight": 720,
        "language": "en-US",
        "page_title": "",
        "referrer": "",
        **fields,
    }


@pytest.mark.parametrize("fields", FROM_NODE)
def test_the_node_sdk_sends_events(world: World, sender: Sender, fields: dict[str, Any]) -> None:
    event = {"site_id": str(sender.tenant.site_id), "api_key": sender.tenant.api_key, **fields}
    answer = sender.post(event, headers={"User-Agent": "node"})
    assert (answer.status_code, answer.json) == (200, ACCEPTED)
    (row,) = world.stored(sender.tenant)
    assert row["country"] == ("GB" if "ip_address" in fields else None)
    kept = ("type", "hostname", "pathname", "event_name", "properties", "user_id")
    assert {name: row[name] for name in kept if name in fields} == {
        name: fields[name] for name in kept if name in fields
    }


@pytest.mark.parametrize("fields", FROM_PAGES)
def test_the_web_sdk_sends_beacons(world: World, sender: Sender, fields: dict[str, Any]) -> None:
    tenant = sender.tenant
    asked = {"Origin": tenant.origin, "Access-Control-Request-Method": "POST"}
    allowed = sender.client.options("/api/track", headers=asked).headers
    assert allowed["Access-Control-Allow-Origin"] == tenant.origin
    assert allowed["Access-Control-Allow-Credentials"] == "true"
    answer = sender.post(from_page(tenant, **fields), headers={"Origin": tenant.origin})
    assert (answer.status_code, answer.json) == (200, ACCEPTED)
    (row,) = world.stored(tenant)
    assert (row["type"], row["pathname"]) == (fields["type"], fields.get("pathname", "/"))


def read_switches(world: World, site: object) -> TestResponse:
    """Ask as a page does."""
    return world.client().get(
        f"/api/site/tracking-config/{site}", headers={"Origin": "https://anywhere.example"}
    )


def test_the_web_sdk_reads_what_it_shall_track(world: World, tenant: Tenant) -> None:
    switches = {
        "sessionReplay": False,
        "webVitals": False,
        "trackErrors": False,
        "trackOutbound": True,
        "trackUrlParams": True,
        "trackInitialPageView": True,
        "trackSpaNavigation": True,
        "trackIp": False,
    }
    for site in (tenant.site_id, tenant.id):
        answer = read_switches(world, site)
        assert (answer.status_code, answer.json) == (200, switches)
        assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]
        assert answer.headers["Cache-Control"] == "no-store"
    world.change(tenant, webVitals=True, trackSpaNavigation=False)
    assert read_switches(world, tenant.id).json == switches | {"webVitals": True, "trackSpaNavigation": False}


@pytest.mark.parametrize("site", ["0", "x", "9" * 40, "abcdefabcdef", "%00"])
def test_a_site_that_is_none_tracks_nothing(world: World, site: str) -> None:
    answer = read_switches(world, site)
    assert (answer.status_code, answer.json) == (404, {"error": "Site not found"})
    assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]
