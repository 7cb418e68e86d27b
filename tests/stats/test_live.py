"""What is going on now."""

import pytest

from rybbit.stats.live import has_data, live_user_count
from tests.store.conftest import Clocks, on_both_engines
from tests.store.parts import Parts, entry, line

pytestmark = on_both_engines

MINUTE_MS = 60_000


def test_nobody_is_there(parts: Parts) -> None:
    assert live_user_count(parts.store, 1, minutes=5) == 0
    assert not has_data(parts.store, 1)


def test_an_event_counts_the_moment_it_is_acknowledged(parts: Parts) -> None:
    for visitor in range(1, 4):
        parts.journal.append([entry(visitor=visitor)])
        assert live_user_count(parts.store, 1, minutes=1) == visitor
    assert has_data(parts.store, 1)
    assert not has_data(parts.store, 2)


def test_sessions_are_counted_and_not_events(parts: Parts) -> None:
    parts.journal.append([entry(visitor=1), entry(visitor=1), entry(2, visitor=1), entry(visitor=2)])
    assert live_user_count(parts.store, 1, minutes=5) == 2


def test_the_border(parts: Parts, clocks: Clocks) -> None:
    moments = (5 * MINUTE_MS, 5 * MINUTE_MS + 1, 0, -MINUTE_MS)
    parts.store_line(
        *[line(number, timestamp=clocks.now_ms - ago) for number, ago in enumerate(moments, start=1)]
    )
    # An event from a clock that runs fast is of now.
    assert live_user_count(parts.store, 1, minutes=5) == 3
    clocks.move(0.001)
    assert live_user_count(parts.store, 1, minutes=5) == 2


@pytest.mark.parametrize("moved", [False, True])
def test_wherever_the_events_are(parts: Parts, clocks: Clocks, moved: bool) -> None:
    parts.store_line(line(1, timestamp=clocks.now_ms), line(2, timestamp=clocks.now_ms - 60 * MINUTE_MS))
    if moved:
        parts.mover.move_all()
    assert live_user_count(parts.store, 1, minutes=30) == 1
    assert live_user_count(parts.store, 1, minutes=60) == 2
    parts.tombstones.add(1)
    assert live_user_count(parts.store, 1, minutes=60) == 0
    assert not has_data(parts.store, 1)
