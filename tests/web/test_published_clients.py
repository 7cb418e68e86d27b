"""What the published web SDK sends only now and then, and the headers that a browser looks at.

The clients themselves run in `tests/faults/test_published_node.py` and `tests/browser/test_published_web.py`.
"""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.web.world import Sender, Tenant, World

ACCEPTED = {"success": True}

# What the web SDK adds to what it says of every page.
FROM_PAGES: list[dict[str, Any]] = [
    {"type": "pageview", "pathname": "/app#/inbox", "user_id": "ada"},
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
