"""The last days of many sites, against the same counted out in plain Python."""

import random

import pytest

from rybbit import clock
from rybbit.stats.traffic import DAYS, Traffic, recent_traffic
from tests.store.conftest import on_both_engines
from tests.store.parts import NOON_MS, Parts, line

pytestmark = on_both_engines

DAY_MS = 86_400_000
MIDNIGHT_MS = NOON_MS // DAY_MS * DAY_MS


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_ms", lambda: NOON_MS)


def test_it_counts_by_day_and_site(parts: Parts) -> None:
    chance = random.Random(3)
    events = [
        {
            "number": number,
            "site_id": chance.randrange(1, 5),
            "user_hash": chance.randrange(9) - 4,
            "type": chance.choice(("pageview", "custom_event")),
            "timestamp": NOON_MS - chance.randrange(9 * DAY_MS),
        }
        for number in range(1, 300)
    ]
    lines = [line(**event) for event in events]
    parts.move_line(*lines[:150])
    parts.store_line(*lines[150:])
    for site_id, found in recent_traffic(parts.store, [1, 2, 3]).items():
        own = [event for event in events if event["site_id"] == site_id]
        days = [(event["timestamp"] - MIDNIGHT_MS) // DAY_MS + DAYS - 1 for event in own]
        views = [
            sum(day == wanted and event["type"] == "pageview" for day, event in zip(days, own, strict=True))
            for wanted in range(DAYS)
        ]
        users = {event["user_hash"] for day, event in zip(days, own, strict=True) if day == DAYS - 1}
        assert found == Traffic(tuple(views), len(users))


def test_sites_without_events_are_there_and_no_sites_are_no_question(parts: Parts) -> None:
    assert recent_traffic(parts.store, [7]) == {7: Traffic()}
    assert recent_traffic(parts.store, []) == {}
