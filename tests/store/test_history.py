"""What stored events say of lost state."""

from rybbit.store.event import first_id_at
from rybbit.store.history import StoredHistory
from tests.store.conftest import on_both_engines
from tests.store.parts import NOON_MS, Parts, line

pytestmark = on_both_engines

MINUTE_MS = 60_000
BLOCK_MS = 240 * MINUTE_MS


def _history(parts: Parts) -> StoredHistory:
    return StoredHistory(parts.store)


def test_an_empty_store_has_none(parts: Parts) -> None:
    history = _history(parts)
    assert history.last_id() == 0
    assert history.spans_since(0, block_ms=BLOCK_MS) == []
    assert history.event_ids_since(0) == []


def test_the_last_id_is_found_wherever_it_is(parts: Parts) -> None:
    parts.move_line(line(5), line(2**62))
    assert _history(parts).last_id() == 2**62
    parts.store_line(line(2**62 + 1))
    assert _history(parts).last_id() == 2**62 + 1


def test_spans_are_those_of_sessions(parts: Parts) -> None:
    first_id = first_id_at(NOON_MS)
    parts.move_line(
        line(first_id, 1, user_hash=-7, session_id=1, timestamp=NOON_MS + 5 * MINUTE_MS),
        line(first_id + 1, 1, user_hash=-7, session_id=1, timestamp=NOON_MS),
        line(first_id + 2, 1, user_hash=8, session_id=3),
        line(first_id + 3, 2, user_hash=-7, session_id=4),
    )
    later = first_id_at(NOON_MS + 9)
    parts.store_line(line(later, 1, user_hash=-7, session_id=1, timestamp=NOON_MS + 20 * MINUTE_MS + 1))
    assert sorted(_history(parts).spans_since(0, block_ms=BLOCK_MS)) == [
        (1, -7, 1, NOON_MS, NOON_MS + 20 * MINUTE_MS + 1, NOON_MS + 9),
        (1, 8, 3, NOON_MS, NOON_MS, NOON_MS),
        (2, -7, 4, NOON_MS, NOON_MS, NOON_MS),
    ]


def test_spans_are_of_sessions_that_were_joined_since(parts: Parts) -> None:
    parts.move_line(
        line(first_id_at(NOON_MS) - 2, session_id=1, timestamp=NOON_MS),
        line(first_id_at(NOON_MS) - 1, session_id=1, user_hash=1, timestamp=NOON_MS - MINUTE_MS),
        line(first_id_at(NOON_MS), session_id=1, user_hash=1, timestamp=NOON_MS - 99 * MINUTE_MS),
    )
    assert _history(parts).spans_since(NOON_MS, block_ms=BLOCK_MS) == [
        (1, 1, 1, NOON_MS - 99 * MINUTE_MS, NOON_MS - MINUTE_MS, NOON_MS)
    ]


def test_spans_are_cut_where_blocks_end(parts: Parts) -> None:
    first_id = first_id_at(NOON_MS)
    moments = (NOON_MS - 20 * MINUTE_MS, NOON_MS - 1, NOON_MS, NOON_MS + 9 * MINUTE_MS)
    parts.move_line(
        *(
            line(first_id + number, user_hash=7, session_id=1, timestamp=at)
            for number, at in enumerate(moments)
        )
    )
    assert sorted(row[3:] for row in _history(parts).spans_since(0, block_ms=BLOCK_MS)) == [
        (NOON_MS - 20 * MINUTE_MS, NOON_MS - 1, NOON_MS),
        (NOON_MS, NOON_MS + 9 * MINUTE_MS, NOON_MS),
    ]


def test_event_ids_are_those_received_since(parts: Parts) -> None:
    parts.move_line(line(1, event_id="a"), line(2, event_id="b"), line(3))
    parts.store_line(line(4, 2, event_id="it's ä\"b"))
    assert sorted(_history(parts).event_ids_since(2)) == [(1, "b", 2), (2, "it's ä\"b", 4)]


def test_what_is_deleted_is_not_remembered(parts: Parts) -> None:
    parts.move_line(line(1, 1, event_id="a"), line(2, 2, event_id="b"))
    parts.tombstones.add(1)
    assert _history(parts).event_ids_since(0) == [(2, "b", 2)]
    assert [row[0] for row in _history(parts).spans_since(0, block_ms=BLOCK_MS)] == [2]
