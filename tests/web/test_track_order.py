"""Where one event breaks several rules, the first row of the contract's table decides."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.web.world import CRAWLER, FIREFOX, PEER, WAYS, Sender, Tenant, World, running

LIMIT = 30
EXCLUDED = ["198.51.100.0/24", "203.0.113.128/25"]
# By (is the address excluded, is its country excluded); the last digit tells a limited address apart.
ADDRESSES = {
    (False, False): "192.0.2.1",
    (True, False): "198.51.100.1",
    (False, True): "203.0.113.1",
    (True, True): "203.0.113.201",
}
LIMITED = {rules: address[:-1] + "9" for rules, address in ADDRESSES.items()}


@dataclass
class Draft:
    """A request on its way to being wrong."""

    tenant: Tenant
    event: dict[str, Any]
    key: str | None = None
    limited: bool = False
    excluded_address: bool = False
    excluded_country: bool = False
    headers: dict[str, str] = field(default_factory=lambda: {"User-Agent": FIREFOX})

    @property
    def peer(self) -> str:
        addresses = LIMITED if self.limited and self.key is None else ADDRESSES
        return addresses[self.excluded_address, self.excluded_country]


@dataclass(frozen=True)
class Rule:
    """One row: how to break it, and what the sender and the owner are told if it decides.

    `reason` is what the owner's count names: the reason, and the rule unless several may be named.
    """

    name: str
    break_: Callable[[Draft], None]
    status: int
    body: dict[str, Any]
    reason: tuple[str, str | None] | None


def _refused(error: str, **more: object) -> dict[str, Any]:
    return {"success": False, "error": error, **more}


def _not_tracked(why: str) -> dict[str, Any]:
    return {"success": True, "message": f"Event not tracked - {why}"}


def _details(fields: dict[str, list[str]], *form: str) -> dict[str, Any]:
    return _refused("Invalid payload", details={"fieldErrors": fields, "formErrors": list(form)})


def _break_schema(draft: Draft) -> None:
    draft.event["pathname"] = 7


def _break_name(draft: Draft) -> None:
    draft.event["type"] = "custom_event"


def _break_site(draft: Draft) -> None:
    draft.event["site_id"] = "99999999"


def _break_key(draft: Draft) -> None:
    draft.key = "rb_" + "0" * 32


def _break_limit(draft: Draft) -> None:
    draft.limited = True


def _break_origin(draft: Draft) -> None:
    draft.headers["Origin"] = "https://elsewhere.example.org"


def _break_fields(draft: Draft) -> None:
    draft.event["timestamp"] = 1_772_366_400_000


def _break_bot(draft: Draft) -> None:
    draft.headers["User-Agent"] = CRAWLER


def _break_address(draft: Draft) -> None:
    draft.excluded_address = True


def _break_country(draft: Draft) -> None:
    draft.excluded_country = True


SCHEMA = Rule(
    "schema",
    _break_schema,
    400,
    _details({"pathname": ["Expected string, received number"]}),
    ("invalid_payload", "pathname"),
)
NAME = Rule(
    "name",
    _break_name,
    400,
    _details({}, "Custom events require event_name"),
    ("invalid_payload", "body"),
)
FILTERS = [
    Rule("address", _break_address, 200, _not_tracked("IP excluded"), ("ip", None)),
    Rule("country", _break_country, 200, _not_tracked("country excluded"), ("country", "GB")),
]
WITH_KEY = [
    SCHEMA,
    NAME,
    Rule("site", _break_site, 403, _refused("Site not found"), None),
    Rule("key", _break_key, 403, _refused("Invalid API key"), ("invalid_key", "")),
    Rule(
        "limit",
        _break_limit,
        429,
        _refused(f"Rate limit exceeded. Maximum {LIMIT} requests per day per API key."),
        ("rate_limit", None),
    ),
    *FILTERS,
]
BROWSER = [
    SCHEMA,
    NAME,
    Rule("site", _break_site, 404, _refused("Site not found"), None),
    Rule(
        "limit",
        _break_limit,
        429,
        _refused(f"Rate limit exceeded. Maximum {LIMIT} requests per day per address."),
        ("rate_limit", "address"),
    ),
    Rule(
        "origin",
        _break_origin,
        403,
        _refused("Origin mismatch. Received: https://elsewhere.example.org"),
        ("origin", "mismatch"),
    ),
    Rule(
        "fields",
        _break_fields,
        403,
        _refused("timestamp requires an API key"),
        ("forbidden_field", "timestamp"),
    ),
    Rule("bot", _break_bot, 200, _not_tracked("bot detected"), ("bot", "")),
    *FILTERS,
]


class Bench:
    """A site that excludes much, and one key and some addresses that have used their limits up."""

    def __init__(self, world: World, way: str) -> None:
        self.world = world
        self.tenant = world.add_tenant(excludedIPs=EXCLUDED, excludedCountries=["GB"])
        self.sender = Sender(world.client(way), self.tenant)
        self._limited_key = world.add_key(self.tenant)
        used_up = {"Authorization": f"Bearer {self._limited_key}"}
        for headers, peers in ((used_up, [PEER]), ({}, LIMITED.values())):
            for peer in peers:
                for _ in range(LIMIT + 1):
                    answer = self.sender.post(self.sender.event(), headers=headers, peer=peer)
                assert answer.status_code == 429

    def send(self, rules: list[Rule], *, with_key: bool) -> TestResponse:
        """Send an event that breaks these rules and no other."""
        draft = Draft(self.tenant, self.sender.event())
        if with_key:
            draft.key = self.tenant.api_key
        else:
            draft.headers["Origin"] = self.tenant.origin
        for rule in rules:
            rule.break_(draft)
        if draft.limited and draft.key == self.tenant.api_key:
            draft.key = self._limited_key
        if draft.key is not None:
            draft.headers["Authorization"] = f"Bearer {draft.key}"
        return self.sender.post(draft.event, headers=draft.headers, peer=draft.peer)


@pytest.fixture(scope="module", params=WAYS)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("order") / "instance"
    limits = dict.fromkeys(("RYBBIT_TRACK_RATE_LIMIT", "RYBBIT_BROWSER_RATE_LIMIT"), f"{LIMIT}/day")
    with running(folder, migrated_file, **limits) as world:
        yield Bench(world, request.param)


def _broken(rules: list[Rule]) -> list[Any]:
    """Every single rule, every pair, and every rule with all that come after it."""
    sets = [[rule] for rule in rules] + [list(pair) for pair in combinations(rules, 2)]
    sets += [rules[start:] for start in range(len(rules) - 2)]
    return [pytest.param(each, id="+".join(rule.name for rule in each)) for each in sets]


def _assert_decided(bench: Bench, rules: list[Rule], *, with_key: bool) -> None:
    world, tenant = bench.world, bench.tenant
    before = world.drops(tenant), len(world.stored(tenant))
    answer = bench.send(rules, with_key=with_key)
    first = rules[0]
    assert (answer.status_code, answer.json) == (first.status, first.body)
    assert ("Retry-After" in answer.headers) == (first.status == 429)
    assert len(world.stored(tenant)) == before[1]
    counted = [name for name, count in world.drops(tenant).items() if count != before[0].get(name, 0)]
    # An event for a site that does not exist is in nobody's count.
    expected = None if "site" in {rule.name for rule in rules} else first.reason
    assert len(counted) == (expected is not None)
    if expected is not None:
        assert counted[0] == (expected[0], counted[0][1] if expected[1] is None else expected[1])


def test_an_event_that_breaks_none_is_stored(bench: Bench) -> None:
    for with_key in (True, False):
        before = len(bench.world.stored(bench.tenant))
        assert bench.send([], with_key=with_key).json == {"success": True}
        assert len(bench.world.stored(bench.tenant)) == before + 1


@pytest.mark.parametrize("rules", _broken(WITH_KEY))
def test_with_a_key(bench: Bench, rules: list[Rule]) -> None:
    _assert_decided(bench, rules, with_key=True)


@pytest.mark.parametrize("rules", _broken(BROWSER))
def test_from_a_browser(bench: Bench, rules: list[Rule]) -> None:
    _assert_decided(bench, rules, with_key=False)
