"""Demo traffic: as much as was asked for, the same for the same seed, and such as visitors would make."""

import json
from collections import Counter, defaultdict
from typing import Any

import pytest

from rybbit import clock
from rybbit.ingest.channel import CHANNELS
from rybbit.ingest.visitor import hash_visitor
from rybbit.store.event import first_id_at, loaded_id_at, read_line, received_ms
from rybbit.transfer.demo import DAY_MS, Demo, Target, demo_lines
from rybbit.transfer.demo_world import FUNNEL, GOALS
from tests.store.parts import NOON_MS, make_parts

START_MS = NOON_MS - 14 * DAY_MS
GAP_MS = 30 * 60_000


def target(site_id: int = 1) -> Target:
    return Target(site_id, "shop.example", lambda name: hash_visitor(b"secret", "user", name))


def demo(events: int = 20_000, **changes: Any) -> Demo:
    return Demo(
        **{"targets": [target()], "events": events, "start_ms": START_MS, "end_ms": NOON_MS} | changes
    )


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    found = [read_line(line) for line in demo_lines(demo())]
    assert None not in found
    return [row for row in found if row is not None]


def test_there_are_exactly_as_many_as_were_asked_for() -> None:
    for events in (1, 2, 3, 1_000, 1_001):
        assert len(list(demo_lines(demo(events)))) == events
    hour = demo(500, start_ms=NOON_MS - 90_000)
    assert len(list(demo_lines(hour))) == 500


def test_one_seed_gives_the_same_bytes_and_another_does_not() -> None:
    first = list(demo_lines(demo(2_000, seed=7)))
    assert first == list(demo_lines(demo(2_000, seed=7)))
    assert first != list(demo_lines(demo(2_000, seed=8)))


def test_they_come_in_order_within_the_period_with_ids_of_their_own(rows: list[dict[str, Any]]) -> None:
    moments = [row["timestamp"] for row in rows]
    assert moments == sorted(moments)
    assert moments[0] >= START_MS
    assert moments[-1] < NOON_MS
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids))
    assert all(received_ms(row["id"]) == row["timestamp"] for row in rows)


def test_sessions_are_as_the_thirty_minute_rule_makes_them(rows: list[dict[str, Any]]) -> None:
    latest: dict[int, tuple[int, int]] = {}
    for row in rows:
        session, last = latest.get(row["user_hash"], (0, 0))
        expected = session if row["timestamp"] - last <= GAP_MS else row["id"]
        assert row["session_id"] == expected
        latest[row["user_hash"]] = (expected, row["timestamp"])


def test_it_has_what_there_is_to_see(rows: list[dict[str, Any]]) -> None:
    types = Counter(row["type"] for row in rows)
    assert set(types) == {"pageview", "custom_event", "performance", "outbound", "error"}
    assert {row["event_name"] for row in rows if row["type"] == "custom_event"} == {
        *("search", "sign_up", "purchase"),
    }
    assert {row["channel"] for row in rows} <= CHANNELS
    assert len({row["channel"] for row in rows}) > 8
    assert len({row["country"] for row in rows}) > 15
    for name in ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"):
        assert any(name in row for row in rows)
    for kind, names in (
        ("outbound", {"url", "text", "target"}),
        ("error", {"message", "stack", "fileName", "lineNumber", "columnNumber"}),
    ):
        assert all(set(json.loads(row["properties"])) == names for row in rows if row["type"] == kind)
    visits = defaultdict(set)
    for row in rows:
        visits[row["user_hash"]].add(row["session_id"])
        if "user_id" in row:
            assert row["user_hash"] == hash_visitor(b"secret", "user", row["user_id"])
    assert any(len(sessions) > 2 for sessions in visits.values())


def test_nights_are_quiet_and_so_are_weekends() -> None:
    weeks = demo(60_000, start_ms=NOON_MS - 56 * DAY_MS)
    hours: Counter[int] = Counter()
    days: Counter[bool] = Counter()
    for line in demo_lines(weeks):
        moment = clock.from_ms(json.loads(line)["timestamp"])
        hours[moment.hour] += 1
        days[moment.weekday() > 4] += 1
    assert hours[15] > 2 * hours[4]
    assert days[True] / 2 < 0.9 * days[False] / 5


def test_several_sites_share_the_traffic() -> None:
    several = demo(3_000, targets=[target(site) for site in (1, 2, 3)])
    sites = Counter(json.loads(line)["site_id"] for line in demo_lines(several))
    assert set(sites) == {1, 2, 3}
    assert min(sites.values()) > 600


def test_the_mover_takes_every_line(tmp_path: Any) -> None:
    parts = make_parts(tmp_path)
    parts.move_line(*demo_lines(demo(3_000)))
    assert parts.count() == 3_000
    assert not list(parts.journal_folder.quarantine.iterdir())
    parts.close()


def test_ids_of_loads_lie_apart_and_before_those_of_the_moment_after() -> None:
    assert first_id_at(NOON_MS) < loaded_id_at(NOON_MS, 0) < loaded_id_at(NOON_MS, 1)
    assert loaded_id_at(NOON_MS, 2_047) + 1_023 < first_id_at(NOON_MS + 1)
    assert received_ms(loaded_id_at(NOON_MS, 5)) == NOON_MS
    # Before 2020 ids would be negative.
    assert 0 < loaded_id_at(0, 1) < loaded_id_at(0, 2)


def test_goals_and_funnel_name_what_happens(rows: list[dict[str, Any]]) -> None:
    names = {row.get("event_name") for row in rows}
    paths = {row.get("pathname") for row in rows}
    for goal in GOALS:
        config = goal["config"]
        assert isinstance(config, dict)
        assert config.get("eventName") in names
    steps = FUNNEL["steps"]
    assert isinstance(steps, list)
    assert {step["value"] for step in steps} <= names | paths | {"/tools/*"}
