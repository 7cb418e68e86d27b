"""Tracking from the code of the host app: `rybbit.track` and `rybbit.pageview`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from rybbit import Rybbit
from rybbit.errors import NotFound
from rybbit.ingest.payload import InvalidPayload
from tests.web.host_app import PREFIX, Host
from tests.web.world import FIREFOX, World, prepare


class TestTrack:
    """`rybbit.track` and `rybbit.pageview`."""

    def test_in_a_request(self, host: Host) -> None:
        told: list[bool] = []

        @host.app.get("/buy/<name>")
        def buy(name: str) -> str:
            told.append(host.rybbit.track("purchase", {"plan": name, "cents": 995}))
            told.append(host.rybbit.pageview(title="Thank you", user_id=" u7 "))
            return "ok"

        answer = host.client().get(
            "/buy/pro?utm_source=mail&utm_medium=email",
            headers={
                "User-Agent": FIREFOX,
                "Referer": "https://www.example.net/a",
                "Accept-Language": "fr;q=0.5, de-AT",
                "Host": "shop.example.org:8443",
            },
            environ_overrides={"REMOTE_ADDR": "203.0.113.5"},
        )
        assert (answer.text, told) == ("ok", [True, True])
        event, page = host.stored()
        visitor = {
            "hostname": "shop.example.org",
            "pathname": "/buy/pro",
            "querystring": "utm_source=mail&utm_medium=email",
            "referrer": "https://www.example.net/a",
            "language": "de-AT",
            "browser": "Firefox",
            "country": "GB",
            "channel": "Email",
            "ip": "203.0.113.5",
        }
        assert {name: event[name] for name in visitor} == visitor
        assert {name: page[name] for name in visitor} == visitor
        assert (event["type"], event["event_name"]) == ("custom_event", "purchase")
        assert json.loads(event["properties"]) == {"plan": "pro", "cents": 995}
        assert (page["type"], page["page_title"], page["user_id"]) == ("pageview", "Thank you", "u7")
        assert event["user_hash"] != page["user_hash"]

    def test_is_the_same_visitor_as_over_http(self, host: Host) -> None:
        @host.app.get("/page")
        def page() -> str:
            host.rybbit.track("seen")
            return ""

        headers = {"User-Agent": FIREFOX}
        peer = {"REMOTE_ADDR": "203.0.113.5"}
        host.client().get("/page", headers=headers, environ_overrides=peer)
        host.client().post(
            f"{PREFIX}/api/track",
            json={"site_id": host.tenant.id},
            headers={**headers, "Origin": host.tenant.origin},
            environ_overrides=peer,
        )
        rows = host.stored()
        assert len(rows) == 2
        assert rows[0]["user_hash"] == rows[1]["user_hash"]
        assert rows[0]["session_id"] == rows[1]["session_id"]

    def test_outside_of_a_request(self, host: Host) -> None:
        assert host.rybbit.track("nightly", user_id="job")
        assert host.rybbit.track("bare")
        with host.app.app_context():
            assert host.rybbit.pageview()
        named, bare, page = host.stored()
        assert (named["event_name"], named["user_id"]) == ("nightly", "job")
        assert {bare[name] for name in ("ip", "hostname", "browser", "country", "properties")} == {None}
        assert page["type"] == "pageview"

    def test_no_key_no_domain_no_bot_filter_no_limit(self, host: Host) -> None:
        with host.app.test_request_context("/", headers={"User-Agent": "curl/8"}):
            assert all(host.rybbit.track("e") for _ in range(50))
        assert len(host.stored()) == 50

    def test_an_excluded_visitor(self, host: Host) -> None:
        host.world.change(host.tenant, excludedIPs=["203.0.113.5"], excludedCountries=["DE"])
        for address in ("203.0.113.5", "2001:db8:de::1"):
            with host.app.test_request_context("/", environ_overrides={"REMOTE_ADDR": address}):
                assert not host.rybbit.track("e")
        assert host.stored() == []
        assert host.world.drops(host.tenant) == {("ip", "203.0.113.5"): 1, ("country", "DE"): 1}

    def test_a_disk_that_is_full_does_not_break_the_page(
        self, host: Host, caplog: pytest.LogCaptureFixture
    ) -> None:
        host.world.runtime.journal.close()
        assert not host.rybbit.track("lost")
        assert "An event of the host app is lost" in caplog.text
        assert host.world.drops(host.tenant) == {("unavailable", ""): 1}

    def test_other_sites(self, host: Host) -> None:
        other = host.world.add_tenant()
        assert host.rybbit.track("e", site=other.site_id)
        assert host.rybbit.track("e", site=other.id)
        assert len(host.world.stored(other)) == 2
        assert host.stored() == []
        with pytest.raises(NotFound, match="Site not found"):
            host.rybbit.track("e", site=99_999_999)

    def test_no_site(self, tmp_path: Path, migrated_file: Path) -> None:
        rybbit = Rybbit(Flask("plain"), config=prepare(tmp_path / "instance", migrated_file))
        with pytest.raises(NotFound, match="No site is named"):
            rybbit.track("e")
        World(rybbit.app).close()

    @pytest.mark.parametrize(
        ("name", "properties"),
        [
            ("", None),
            ("x" * 257, None),
            ("a\0b", None),
            ("e", {"text": "x" * 2048}),
            ("e", {"number": float("nan")}),
            ("e", {"object": object()}),
            ("e", {"text": "\ud800"}),
            ("e", {"text": "\0"}),
        ],
    )
    def test_what_does_not_fit_is_refused(self, host: Host, name: str, properties: dict[str, Any]) -> None:
        with pytest.raises(InvalidPayload) as refusal:
            host.rybbit.track(name, properties)
        assert list(refusal.value.field_errors) == ["properties" if properties else "event_name"]
        assert host.stored() == []

    @pytest.mark.parametrize(
        "path", ["/" + "x" * 5000 + "?" + "y" * 5000, "/%00?%00", "/%ff%fe?%ff=%fe", "/ü?ü", "//?&&=&"]
    )
    def test_any_request_of_the_host_fits(self, host: Host, path: str) -> None:
        headers = {
            "Referer": "https://x/" + "r" * 5000,
            "Accept-Language": "x" * 100,
            "User-Agent": "u" * 5000,
        }
        with host.app.test_request_context(path, headers=headers):
            assert host.rybbit.track("e")
        (row,) = host.stored()
        assert all(len(row[name] or "") <= 2048 for name in ("pathname", "querystring", "referrer"))

    @pytest.mark.parametrize(
        ("authority", "hostname"),
        [
            ("[2001:db8::1]:5000", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("localhost:5000", "localhost"),
            ("a.example", "a.example"),
        ],
    )
    def test_the_hosts_name_has_no_port(self, host: Host, authority: str, hostname: str) -> None:
        with host.app.test_request_context("/", headers={"Host": authority}):
            assert host.rybbit.track("e")
        assert [row["hostname"] for row in host.stored()] == [hostname]

    def test_the_path_is_the_one_that_the_visitor_sees(self, host: Host) -> None:
        with host.app.test_request_context("/buy", environ_overrides={"SCRIPT_NAME": "/shop"}):
            assert host.rybbit.track("e")
        assert [row["pathname"] for row in host.stored()] == ["/shop/buy"]


SCRIPT = """
import os, sys
from flask import Flask
from rybbit import Rybbit

rybbit = Rybbit(Flask("host"), site=sys.argv[1])
assert rybbit.track("before")
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        stored = [rybbit.track(f"child {number}", {"n": n}) for n in range(5)]
        rybbit.app.extensions["rybbit"].stop()
        os._exit(0 if all(stored) else 1)
    children.append(child)
assert rybbit.track("after")
assert all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children)
assert rybbit.track("at the end")
"""


def test_in_forked_children(host: Host, tmp_path: Path) -> None:
    """As in a server that loads the app first and forks its workers then."""
    script = tmp_path / "forking.py"
    script.write_text(SCRIPT)
    folder = host.world.runtime.config.instance_path
    done = subprocess.run(
        [sys.executable, str(script), host.tenant.id],
        env={"RYBBIT_INSTANCE_PATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = [row["event_name"] for row in host.stored()]
    assert sorted(names) == sorted(
        ["before", "after", "at the end", *(f"child {number}" for number in range(3) for _ in range(5))]
    )
    assert len({row["id"] for row in host.stored()}) == 18
