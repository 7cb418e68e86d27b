"""The headline figures, against the definitions counted out in plain Python."""

import random
from collections import defaultdict
from itertools import product
from typing import Any

import pytest

from rybbit.stats.overview import Overview, overview
from rybbit.stats.period import parse_period
from rybbit.stats.question import Question
from tests.store.conftest import on_both_engines
from tests.store.parts import NOON_MS, Parts, PartsMaker, line

pytestmark = on_both_engines

ALL_TIME = Question(1, parse_period({}))
DAY_MS = 86_400_000
TYPES = ("pageview", "pageview", "custom_event", "performance", "outbound", "error")


def _events(count: int, *, seed: int = 1) -> list[dict[str, Any]]:
    """Events of three sites over four days, in sessions of one visitor each."""
    chance = random.Random(seed)
    events = []
    for number in range(1, count + 1):
        session = chance.randrange(1, 40)
        events.append(
            {
                "number": number,
                "site_id": 1 + session % 3,
                "session_id": session,
                "user_hash": session // 2 - 8,
                "type": chance.choice(TYPES),
                "timestamp": NOON_MS - chance.randrange(4 * DAY_MS),
            }
        )
    return events


def _lines(events: list[dict[str, Any]]) -> list[bytes]:
    return [line(**event) for event in events]


def _counted(events: list[dict[str, Any]], site_id: int, first: int, end: int) -> Overview:
    """The definitions of the contract, word by word."""
    found = [event for event in events if event["site_id"] == site_id and first <= event["timestamp"] < end]
    sessions: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in found:
        sessions[event["session_id"]].append(event)
    pageviews = [sum(event["type"] == "pageview" for event in each) for each in sessions.values()]
    moments = [[event["timestamp"] for event in each] for each in sessions.values()]
    count = len(sessions)
    return Overview(
        sessions=count,
        pageviews=sum(pageviews),
        users=len({event["user_hash"] for event in found}),
        pages_per_session=sum(pageviews) / count if count else 0.0,
        bounce_rate=100 * pageviews.count(1) / count if count else 0.0,
        session_duration=sum(max(each) - min(each) for each in moments) / count / 1000 if count else 0.0,
    )


def _same(one: Overview, other: Overview) -> None:
    for name in ("sessions", "pageviews", "users"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("pages_per_session", "bounce_rate", "session_duration"):
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name


def test_nothing_is_all_zero(parts: Parts) -> None:
    assert overview(parts.store, ALL_TIME) == Overview(0, 0, 0, 0.0, 0.0, 0.0)


def test_by_hand(parts: Parts) -> None:
    second = 1_000
    parts.store_line(
        # Two pages in a minute.
        line(1, session_id=1, user_hash=7),
        line(2, session_id=1, user_hash=7, timestamp=NOON_MS + 60 * second),
        # A bounce with an event after it.
        line(3, session_id=3, user_hash=7),
        line(4, session_id=3, user_hash=7, type="custom_event", timestamp=NOON_MS + 30 * second),
        # No page at all is no bounce.
        line(5, session_id=5, user_hash=8, type="error"),
        line(6, 2),
    )
    assert overview(parts.store, ALL_TIME) == Overview(
        sessions=3,
        pageviews=3,
        users=2,
        pages_per_session=1.0,
        bounce_rate=pytest.approx(100 / 3),  # type: ignore[arg-type]
        session_duration=30.0,
    )


def test_against_the_definitions_wherever_the_events_are(parts: Parts) -> None:
    events = _events(400)
    parts.move_line(*_lines(events[:150]))
    parts.move_line(*_lines(events[150:250]))
    parts.store_line(*_lines(events[250:330]))
    (parts.journal_folder.path / "1-a.open").write_bytes(b"".join(_lines(events[330:])))
    for site_id, days in product((1, 2, 3, 4), (("2026-02-27", "2026-02-28"), ("2026-03-01", "2026-03-01"))):
        period = parse_period({"start_date": days[0], "end_date": days[1]})
        assert period.start_ms is not None and period.end_ms is not None
        expected = _counted(events, site_id, period.start_ms, period.end_ms)
        _same(overview(parts.store, Question(site_id, period)), expected)
        _same(overview(parts.store, Question(site_id, ALL_TIME.period)), _counted(events, site_id, 0, 2**60))


def test_the_same_before_and_after_every_move(new_parts: PartsMaker) -> None:
    parts = new_parts(compact_files=2)
    events = _events(200, seed=2)
    period = parse_period({"start_date": "2026-02-27", "end_date": "2026-02-28", "time_zone": "Asia/Tokyo"})
    for start in range(0, 200, 40):
        parts.store_line(*_lines(events[start : start + 40]))
    expected = overview(parts.store, Question(1, period))
    assert expected.sessions > 3
    parts.mover.move_all()
    assert overview(parts.store, Question(1, period)) == expected
    parts.store.rewrite(everything=True)
    assert overview(parts.store, Question(1, period)) == expected


def test_a_session_is_cut_at_the_edge_of_the_period(parts: Parts) -> None:
    midnight = NOON_MS + DAY_MS // 2
    parts.store_line(
        line(1, session_id=1, user_hash=1, timestamp=midnight - 10_000),
        line(2, session_id=1, user_hash=1, timestamp=midnight - 4_000),
        line(3, session_id=1, user_hash=1, timestamp=midnight),
    )
    before = overview(parts.store, Question(1, parse_period({"end_date": "2026-03-01"})))
    after = overview(parts.store, Question(1, parse_period({"start_date": "2026-03-02"})))
    assert (before.sessions, before.pageviews, before.bounce_rate, before.session_duration) == (
        1,
        2,
        0.0,
        6.0,
    )
    assert (after.sessions, after.pageviews, after.bounce_rate, after.session_duration) == (1, 1, 100.0, 0.0)
