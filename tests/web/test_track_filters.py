"""Addresses and countries that a site does not want: acknowledged, not stored, counted by rule."""

from typing import Any

import pytest

from tests.web.world import BRITISH, GERMAN, PEER, Sender, World

ACCEPTED = {"success": True}
IP_EXCLUDED = {"success": True, "message": "Event not tracked - IP excluded"}
COUNTRY_EXCLUDED = {"success": True, "message": "Event not tracked - country excluded"}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": "", "RYBBIT_TRUSTED_PROXIES": "10.0.0.0/8"}


PATTERNS = [
    ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"], ["192.0.2.8", "::192.0.2.7"]),
    (" 192.0.2.7 ", ["192.0.2.7"], ["192.0.2.70"]),
    ("::ffff:192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.6"]),
    ("10.1.2.3/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.9.9.9"], ["9.255.255.255", "11.0.0.0"]),
    ("192.0.2.0/31", ["192.0.2.0", "192.0.2.1"], ["192.0.2.2"]),
    ("192.0.2.5/32", ["192.0.2.5"], ["192.0.2.4", "192.0.2.6"]),
    ("0.0.0.0/0", ["1.2.3.4", "::ffff:1.2.3.4"], ["2001:db8::1"]),
    ("::/0", ["2001:db8::1", "::1"], ["1.2.3.4", "::ffff:1.2.3.4"]),
    ("192.0.2.10-192.0.2.20", ["192.0.2.10", "192.0.2.15", "192.0.2.20"], ["192.0.2.9", "192.0.2.21"]),
    ("192.0.2.10 - 192.0.2.10", ["192.0.2.10"], ["192.0.2.11"]),
    ("192.0.1.250-192.0.3.5", ["192.0.1.250", "192.0.2.0", "192.0.3.5"], ["192.0.1.249", "192.0.3.6"]),
    ("2001:DB8::1", ["2001:db8::1", "2001:0db8:0:0:0:0:0:1"], ["2001:db8::2"]),
    ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"], ["2001:db9::"]),
    ("::ffff:10.0.0.0/104", ["10.255.0.1"], ["11.0.0.1", "::10.0.0.1"]),
]


class TestAddresses:
    """Single ones, networks and ranges."""

    @pytest.mark.parametrize(("pattern", "inside", "outside"), PATTERNS, ids=[row[0] for row in PATTERNS])
    def test_pattern(
        self, world: World, sender: Sender, pattern: str, inside: list[str], outside: list[str]
    ) -> None:
        world.change(sender.tenant, excludedIPs=[pattern])
        for address in inside:
            answer = sender.send(ip_address=address)
            assert (answer.status_code, answer.json) == (200, IP_EXCLUDED), address
        for address in outside:
            assert sender.send(ip_address=address).json == ACCEPTED, address
        assert len(world.stored(sender.tenant)) == len(outside)
        assert world.drops(sender.tenant) == {("ip", pattern.strip()): len(inside)}

    def test_of_the_peer(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=["198.51.100.0/24"])
        origin = {"Origin": sender.tenant.origin}
        bearer = {"Authorization": f"Bearer {sender.tenant.api_key}"}
        for headers in (origin, bearer):
            for peer, told in (
                ("198.51.100.9", IP_EXCLUDED),
                ("::ffff:198.51.100.9", IP_EXCLUDED),
                (PEER, ACCEPTED),
            ):
                assert sender.post(sender.event(), headers=headers, peer=peer).json == told
        assert len(world.stored(sender.tenant)) == 2

    def test_behind_a_trusted_proxy(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=["198.51.100.9"])
        headers = {"Origin": sender.tenant.origin, "X-Forwarded-For": "1.1.1.1, 198.51.100.9, 10.2.2.2"}
        assert sender.post(sender.event(), headers=headers, peer="10.0.0.1").json == IP_EXCLUDED
        # From anybody else the header is a claim, and nothing more.
        assert sender.post(sender.event(), headers=headers, peer="192.0.2.5").json == ACCEPTED
        headers["X-Forwarded-For"] = "198.51.100.9, 203.0.113.1"
        assert sender.post(sender.event(), headers=headers, peer="10.0.0.1").json == ACCEPTED

    def test_an_override_replaces_the_peer(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=[PEER])
        assert sender.send().json == IP_EXCLUDED
        assert sender.send(ip_address="192.0.2.2").json == ACCEPTED

    def test_without_an_address_nothing_is_excluded(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=["0.0.0.0/0", "::/0"], excludedCountries=["GB"])
        for peer in ("", "unix:", "no address", "fe80::1%eth0"):
            assert sender.send(peer=peer).json == ACCEPTED
        assert len(world.stored(sender.tenant)) == 4

    def test_the_first_pattern_of_several_is_counted(self, world: World, sender: Sender) -> None:
        patterns = ["192.0.2.0/24", "192.0.2.7", "192.0.0.0/16", "2001:db8::/32"]
        world.change(sender.tenant, excludedIPs=patterns)
        for address in ("192.0.2.7", "192.0.2.8", "192.0.3.1", "2001:db8::5"):
            assert sender.send(ip_address=address).json == IP_EXCLUDED
        assert world.drops(sender.tenant) == {
            ("ip", "192.0.2.0/24"): 2,
            ("ip", "192.0.0.0/16"): 1,
            ("ip", "2001:db8::/32"): 1,
        }

    def test_a_hundred_patterns(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=[f"10.0.{number}.0/25" for number in range(100)])
        told = [
            sender.send(ip_address=f"10.0.{number}.{host}").json for number in (0, 99) for host in (1, 200)
        ]
        assert told == [IP_EXCLUDED, ACCEPTED] * 2

    def test_of_one_site_alone(self, world: World, sender: Sender) -> None:
        other = Sender(sender.client, world.add_tenant())
        world.change(sender.tenant, excludedIPs=["0.0.0.0/0"])
        assert sender.send().json == IP_EXCLUDED
        assert other.send().json == ACCEPTED
        assert world.drops(other.tenant) == {}


class TestCountries:
    """By the place of the address."""

    @pytest.mark.parametrize(("address", "country"), [(BRITISH, "GB"), (GERMAN, "DE")])
    def test_excluded(self, world: World, sender: Sender, address: str, country: str) -> None:
        world.change(sender.tenant, excludedCountries=["FR", f" {country} ", "XK"])
        answer = sender.send(ip_address=address)
        assert (answer.status_code, answer.json) == (200, COUNTRY_EXCLUDED)
        assert sender.post(sender.event(), headers={"Origin": sender.tenant.origin}, peer=address).json == (
            COUNTRY_EXCLUDED
        )
        mapped = f"::ffff:{address}" if "." in address else address
        assert sender.send(ip_address=mapped).json == COUNTRY_EXCLUDED
        assert world.stored(sender.tenant) == []
        assert world.drops(sender.tenant) == {("country", country): 3}

    def test_any_other_is_welcome(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedCountries=["DE"])
        assert sender.send(ip_address=BRITISH).json == ACCEPTED
        assert [row["country"] for row in world.stored(sender.tenant)] == ["GB"]

    def test_an_address_from_nowhere_is_welcome(self, world: World, sender: Sender) -> None:
        codes = [first + second for first in "ABCDEFGHI" for second in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
        world.change(sender.tenant, excludedCountries=codes)
        assert sender.send().json == ACCEPTED
        assert sender.send(ip_address=BRITISH).json == COUNTRY_EXCLUDED

    def test_the_address_goes_first(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=[BRITISH], excludedCountries=["GB"])
        assert sender.send(ip_address=BRITISH).json == IP_EXCLUDED
        assert sender.send(ip_address="203.0.113.6").json == COUNTRY_EXCLUDED
        assert world.drops(sender.tenant) == {("ip", BRITISH): 1, ("country", "GB"): 1}


def test_what_is_filtered_leaves_nothing_behind(world: World, sender: Sender) -> None:
    """No event, no session, no known event id: once it is welcome, the visitor is a new one."""
    world.change(sender.tenant, excludedIPs=[PEER])
    assert sender.send(event_id="e").json == IP_EXCLUDED
    world.change(sender.tenant, excludedIPs=[])
    assert sender.send(event_id="e").json == ACCEPTED
    (row,) = world.stored(sender.tenant)
    assert row["session_id"] == row["id"]
    assert world.drops(sender.tenant) == {("ip", PEER): 1}
