"""How long events are kept: to the millisecond in journal and table, and gone from disk the day after."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rybbit.store.base import EVERYTHING, Scope
from rybbit.store.tombstones import NOTHING, Tombstones
from tests.store.clickhouse_parts import drop_database, make_clickhouse_parts
from tests.store.conftest import Clocks
from tests.store.parts import NOON_MS, Parts, line, make_parts

DAY_MS = 86_400_000
EDGE_MS = NOON_MS - 10 * DAY_MS


@pytest.fixture(params=["lake", "clickhouse"])
def parts(request: pytest.FixtureRequest, tmp_path: Path, clocks: Clocks) -> Iterator[Parts]:
    """The parts of one process at noon, on each engine."""
    clocks.now_ms = NOON_MS
    is_lake = request.param == "lake"
    parts = make_parts(tmp_path) if is_lake else make_clickhouse_parts(tmp_path)
    yield parts
    if not is_lake:
        drop_database(parts.store)
    parts.close()


def events(site_id: int, first: int) -> list[bytes]:
    """Two events that may stay, by a millisecond, and two that may not."""
    moments = (EDGE_MS - DAY_MS, EDGE_MS - 1, EDGE_MS, EDGE_MS + 1)
    return [line(first + number, site_id, timestamp=at) for number, at in enumerate(moments)]


def test_what_is_too_old_cannot_be_read_to_the_millisecond(parts: Parts) -> None:
    parts.move_line(*events(1, 10), *events(2, 20))
    parts.store_line(*events(1, 30), *events(2, 40))
    assert len(parts.ids()) == 16
    parts.tombstones.keep_only({1: 10})
    others = [20, 21, 22, 23, 40, 41, 42, 43]
    assert parts.ids() == sorted([12, 13, 32, 33, *others])
    parts.mover.move_all()
    assert parts.ids() == sorted([12, 13, 32, 33, *others])


def test_time_goes_on(parts: Parts, clocks: Clocks) -> None:
    parts.move_line(*events(1, 10))
    parts.tombstones.keep_only({1: 10})
    clocks.now_ms += 1
    assert parts.ids() == [13]
    clocks.now_ms += 1
    assert parts.ids() == []


def test_another_process_obeys_without_being_told(parts: Parts) -> None:
    parts.move_line(*events(1, 10))
    Tombstones(parts.tombstones.path).keep_only({1: 10})
    assert parts.ids() == [12, 13]
    Tombstones(parts.tombstones.path).keep_only({1: 9})
    assert parts.ids() == []


@pytest.mark.parametrize("start_ms", [None, EDGE_MS - 1, EDGE_MS, EDGE_MS + 1])
def test_of_any_beginning_nothing_too_old_is_seen(parts: Parts, start_ms: int | None) -> None:
    parts.move_line(*events(1, 10), *events(2, 20))
    parts.tombstones.keep_only({1: 10})
    for site_id, kept in ((1, [12, 13]), (2, [20, 21, 22, 23])):
        since = "" if start_ms is None else f" and timestamp >= make_timestamp_ms({start_ms})"
        sql = f"select id from events where site_id = {site_id}{since} order by id"
        rows = [row[0] for row in parts.store.query(sql, scope=Scope(site_id, start_ms))]
        first = {None: 0, EDGE_MS - 1: 1, EDGE_MS: 2, EDGE_MS + 1: 3}[start_ms]
        assert rows == [number for number in kept if number % 10 >= first]


def test_a_question_that_it_cannot_concern_is_not_burdened(parts: Parts) -> None:
    parts.tombstones.keep_only({1: 10})
    hidden = parts.tombstones.hidden
    assert hidden(Scope(2)) == hidden(Scope(1, EDGE_MS)) == NOTHING
    for scope in (EVERYTHING, Scope(1), Scope(1, EDGE_MS - 1), Scope(None, NOON_MS - 11 * DAY_MS)):
        assert "site_id" in hidden(scope)


def rewrite(parts: Parts, clocks: Clocks) -> None:
    """What a server does by itself, in its time."""
    for _ in range(2):
        clocks.move(60)
        if parts.store.needs_rewrite():
            parts.store.rewrite()


def test_it_is_gone_from_disk_the_day_after_and_nothing_else_is(parts: Parts, clocks: Clocks) -> None:
    parts.move_line(*events(1, 10), *events(2, 20))
    parts.tombstones.keep_only({1: 10})
    clocks.move(DAY_MS / 1000)
    parts.tombstones.keep_only({1: 10})
    rewrite(parts, clocks)
    assert list(parts.tombstones.path.glob("*.json")) == []
    # Whoever reads the table without our rules finds them gone, and those of the other site there.
    parts.tombstones.keep_only({})
    assert parts.ids() == [20, 21, 22, 23]
    assert not parts.store.needs_rewrite()


def test_a_day_has_one_erasure_however_many_ask(parts: Parts, clocks: Clocks) -> None:
    parts.move_line(*events(1, 10))
    for _ in range(3):
        Tombstones(parts.tombstones.path).keep_only({1: 10, 2: 400})
    kept = [json.loads(path.read_text()) for path in parts.tombstones.path.glob("*.json")]
    assert sorted(row["site_id"] for row in kept) == [1, 2]
    rewrite(parts, clocks)
    parts.tombstones.keep_only({1: 10, 2: 400})
    assert list(parts.tombstones.path.glob("*.json")) == []
    # Less time is a new erasure at once, more is none.
    parts.tombstones.keep_only({1: 9, 2: 500})
    assert len(list(parts.tombstones.path.glob("*.json"))) == 1


def test_files_that_have_nothing_old_are_left_alone(tmp_path: Path, clocks: Clocks) -> None:
    clocks.now_ms = NOON_MS
    parts = make_parts(tmp_path)
    parts.move_line(*events(2, 20), line(1, 1), line(2, 3))
    before = parts.files()
    parts.tombstones.keep_only({1: 10})
    rewrite(parts, clocks)
    assert parts.files() == before
    parts.close()


def test_without_limits_nothing_is_made(tmp_path: Path) -> None:
    tombstones = Tombstones(tmp_path / "tombstones")
    tombstones.keep_only({})
    assert not (tmp_path / "tombstones").exists()
    assert tombstones.hidden() == "false"
