"""The dry run of exclusions tells what tracking then does with the same event."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web.world import BRITISH, CRAWLER, FIREFOX, GERMAN, PEER, Sender, Tenant, World, running

RULES = [
    "10.0.0.0/8",
    "192.0.2.7",
    "198.51.100.10-198.51.100.20",
    "::ffff:203.0.113.64/122",
    "2001:db8:bad::/48",
]
STORED = {"success": True}
MESSAGES = {
    "bot": "Event not tracked - bot detected",
    "ip": "Event not tracked - IP excluded",
    "country": "Event not tracked - country excluded",
}
ADDRESSES = [
    *(PEER, BRITISH, GERMAN, "192.0.2.7", "192.0.2.8", "::ffff:192.0.2.7", "10.255.255.255", "11.0.0.0"),
    *("198.51.100.9", "198.51.100.10", "198.51.100.20", "198.51.100.21", "203.0.113.63", "203.0.113.64"),
    *("203.0.113.127", "203.0.113.128", "2001:db8:bad::1", "2001:DB8:BAD:0::1", "2001:db8:bac::1", "::1"),
    *("2001:db8:de::", "2001:db8:df::", "0.0.0.1", "255.255.255.255", "::", "::10.0.0.1"),
]
AGENTS = [FIREFOX, CRAWLER, CRAWLER.upper(), "", " ", "curl/8.5.0", "CUBOT", "x" * 512, "x" * 506 + "bot/1"]
SITES = [
    {},
    {"blockBots": False},
    {"excludedIPs": RULES},
    {"excludedIPs": RULES, "excludedCountries": ["GB"]},
    {"excludedIPs": RULES, "excludedCountries": ["DE", "GB"], "blockBots": False},
    {"excludedIPs": ["0.0.0.0/0", "10.0.0.0/8"], "excludedCountries": ["DE", "XK"]},
]


@dataclass
class Trial:
    """The world, and a site with each set of rules."""

    world: World
    tenants: list[Tenant]

    def tell(self, tenant: Tenant, event: dict[str, Any]) -> dict[str, Any]:
        """The verdict of the dry run."""
        answer = self.world.client().post(
            f"/api/sites/{tenant.id}/exclusions/test",
            json=event,
            headers={"Authorization": f"Bearer {tenant.account_key}"},
        )
        assert answer.status_code == 200, answer.data
        verdict: dict[str, Any] = json.loads(answer.data)
        return verdict

    def check(self, tenant: Tenant, event: dict[str, str], sent: dict[str, str]) -> dict[str, Any]:
        """Compare the verdict about an event with what becomes of it, as a page and as a server send it."""
        verdict = self.tell(tenant, event)
        expected = STORED if verdict["kept"] else STORED | {"message": MESSAGES[verdict["reason"]]}
        sender = Sender(self.world.client(), tenant)
        if "user_agent" in sent:
            headers = {"Origin": tenant.origin, "User-Agent": sent["user_agent"]}
            answer = sender.post(sender.event(), headers=headers, peer=sent["ip_address"])
        else:
            answer = sender.send(ip_address=sent["ip_address"])
        assert (answer.status_code, answer.json) == (200, expected), (event, verdict)
        return verdict


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Trial]:
    limits = dict.fromkeys(("RYBBIT_TRACK_RATE_LIMIT", "RYBBIT_BROWSER_RATE_LIMIT"), "")
    with running(tmp_path_factory.mktemp("trial") / "instance", migrated_file, **limits) as world:
        yield Trial(world, [world.add_tenant(**rules) for rules in SITES])


@pytest.mark.parametrize("number", range(len(SITES)))
def test_every_address_with_every_agent(trial: Trial, number: int) -> None:
    tenant = trial.tenants[number]
    for address in ADDRESSES:
        for agent in AGENTS:
            event = {"ip_address": address, "user_agent": agent}
            trial.check(tenant, event, event)


@pytest.mark.parametrize("number", range(len(SITES)))
def test_addresses_and_countries_of_servers(trial: Trial, number: int) -> None:
    tenant = trial.tenants[number]
    for address in ADDRESSES:
        trial.check(tenant, {"ip_address": address}, {"ip_address": address})
    for country, address in (("GB", BRITISH), ("DE", GERMAN)):
        event = {"ip_address": address, "country": country}
        trial.check(tenant, event, {"ip_address": address})


def test_the_rule_that_decides_is_the_one_that_is_counted(trial: Trial) -> None:
    for rules in SITES:
        tenant = trial.world.add_tenant(**rules)
        told: dict[tuple[str, str], int] = {}
        for address in ADDRESSES:
            verdict = trial.check(tenant, {"ip_address": address}, {"ip_address": address})
            if not verdict["kept"]:
                name = (verdict["reason"], verdict["rule"])
                told[name] = told.get(name, 0) + 1
        assert trial.world.drops(tenant) == told


@settings(max_examples=150, deadline=None)
@given(
    number=st.integers(0, len(SITES) - 1),
    address=st.one_of(st.ip_addresses().map(str), st.sampled_from(ADDRESSES)),
    agent=st.one_of(st.text(st.characters(min_codepoint=32, max_codepoint=126)), st.sampled_from(AGENTS)),
)
def test_any_event_of_a_page(trial: Trial, number: int, address: str, agent: str) -> None:
    event = {"ip_address": address, "user_agent": agent}
    trial.check(trial.tenants[number], event, event)
