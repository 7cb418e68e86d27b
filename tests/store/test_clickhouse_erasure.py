"""Deleted sites and visitors: hidden at once, and gone from ClickHouse soon after."""

from pathlib import Path

import pytest

from rybbit.errors import Unavailable
from rybbit.store import clickhouse_rewrite
from rybbit.store.engines import read_options, write_options
from rybbit.store.maintenance import main
from tests.store.clickhouse_parts import SmallServer, clickhouse_of, stored
from tests.store.parts import NOON_MS, Parts, PartsMaker, entry, line, run_child


@pytest.fixture
def parts(new_clickhouse: PartsMaker, small_server: SmallServer, tmp_path: Path) -> Parts:
    """The parts of a process, on a server that does what it is told."""
    small_server.set_faults()
    return new_clickhouse(url=small_server.url(tmp_path))


def _erase(parts: Parts) -> None:
    parts.age_tombstones()
    assert parts.store.needs_rewrite()
    parts.store.rewrite()


def test_a_site(parts: Parts) -> None:
    parts.move_line(*(line(number, number % 2) for number in range(10)))
    parts.store_line(line(10, 0), line(11, 1), name="1-a.jsonl")
    parts.deletion.delete_site(1)
    assert parts.ids() == [0, 2, 4, 6, 8, 10]
    # As long as the journal holds events of it, it is only hidden.
    assert not parts.store.needs_rewrite()
    parts.mover.move_all()
    assert parts.ids() == [0, 2, 4, 6, 8, 10]
    assert stored(parts) == [(12,)]
    _erase(parts)
    assert (parts.ids(), stored(parts)) == ([0, 2, 4, 6, 8, 10], [(6,)])
    assert parts.tombstones.all() == []
    assert not parts.store.needs_rewrite()


def test_a_visitor(parts: Parts, small_server: SmallServer) -> None:
    for visitor in (7, 8):
        parts.journal.append([entry(visitor=visitor, user_id=f"anna{visitor}", event_id=f"e{visitor}")])
    parts.journal.close_file()
    parts.mover.move_all()
    parts.deletion.delete_visitor(1, 7)
    parts.journal.append([entry(visitor=7, event_id="later")])
    names = "select event_id from events order by id"
    assert parts.store.query(names) == [("e8",), ("later",)]
    parts.journal.close_file()
    parts.mover.move_all()
    _erase(parts)
    assert parts.store.query(names) == [("e8",), ("later",)]
    assert stored(parts, "user_id", "where user_id is not null") == [("anna8",)]
    assert not any("anna7" in statement for statement in small_server.statements())


def test_what_comes_in_while_it_is_deleted(
    parts: Parts, small_server: SmallServer, new_clickhouse: PartsMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of another machine may have been under way: it is counted again after the deletion."""
    parts.move_line(line(1), line(2, 2))
    other = new_clickhouse(parts.folder / "other", url=small_server.url(parts.folder))
    parts.deletion.delete_site(1)
    delete = clickhouse_rewrite.Eraser._delete
    later = [line(3)]

    def delete_while_one_comes(eraser: clickhouse_rewrite.Eraser, tombstones: object) -> None:
        delete(eraser, tombstones)  # type: ignore[arg-type]
        if later:
            other.move_line(later.pop())

    monkeypatch.setattr(clickhouse_rewrite.Eraser, "_delete", delete_while_one_comes)
    _erase(parts)
    assert other.ids() == [2]


def test_it_dies_after_the_deletion(
    parts: Parts, small_server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RYBBIT_TEST_EVENTS_URL", small_server.url(parts.folder))
    parts.move_line(line(1), line(2, 2))
    parts.deletion.delete_site(1)
    parts.age_tombstones()
    run_child(parts.folder, "rewrite", crash_at="clickhouse:erased", code=-9)
    assert len(parts.tombstones.all()) == 1
    assert parts.ids() == [2]
    _erase(parts)
    assert parts.tombstones.all() == []


def test_it_takes_long(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.move_line(line(1), line(2, 2))
    parts.deletion.delete_site(1)
    with monkeypatch.context() as patch:
        patch.setattr(clickhouse_rewrite, "_PATIENCE_SECONDS", -1)
        patch.setattr(clickhouse_rewrite.Eraser, "_is_under_way", lambda _: True)
        with pytest.raises(Unavailable):
            _erase(parts)
    assert (len(parts.tombstones.all()), parts.ids()) == (1, [2])
    _erase(parts)
    assert stored(parts) == [(1,)]


def test_a_process_of_its_own(parts: Parts, small_server: SmallServer) -> None:
    options = clickhouse_of(parts)._options
    assert read_options(write_options(options)) == options
    parts.move_line(line(1), line(2, 2))
    parts.deletion.delete_site(1)
    parts.age_tombstones()
    small_server.set_faults({"contains": "alter table", "how": "241"})
    main(write_options(options))
    assert len(parts.tombstones.all()) == 1
    small_server.set_faults()
    main(write_options(options))
    assert (parts.tombstones.all(), stored(parts)) == ([], [(1,)])


def test_machines_tell_each_other(
    parts: Parts, small_server: SmallServer, new_clickhouse: PartsMaker
) -> None:
    """What waits in the journal of one machine while another erases it is erased when it comes in."""
    other = new_clickhouse(parts.folder / "other", url=small_server.url(parts.folder))
    parts.move_line(line(1), line(2, user_hash=7), line(3, user_hash=8), line(4, 2))
    other.move_line(line(5, 2))
    other.store_line(line(6), line(7, 2, user_hash=7), line(8, 2), name="1-a.jsonl")
    parts.deletion.delete_site(1)
    parts.tombstones.add(2, user_hash=7, last_id=100)
    _erase(parts)
    assert other.ids() == [4, 5, 6, 7, 8]
    other.mover.move_all()
    assert other.ids() == [4, 5, 8]
    _erase(other)
    assert stored(parts, "id") == [(4,), (5,), (8,)]
    # Nobody hears of it again.
    for each in (parts, other):
        each.move_line(line(9, 3))
        assert each.tombstones.all() == []


def test_what_is_too_old_is_no_deletion_of_the_site_for_others(
    parts: Parts, small_server: SmallServer, new_clickhouse: PartsMaker
) -> None:
    other = new_clickhouse(parts.folder / "other", url=small_server.url(parts.folder))
    parts.move_line(line(1, timestamp=NOON_MS - 1), line(2))
    parts.tombstones.add(1, before_ms=NOON_MS)
    _erase(parts)
    other.move_line(line(3, timestamp=NOON_MS - 2), line(4))
    assert other.tombstones.all() == []
    assert stored(parts, "id") == [(2,), (3,), (4,)]


def test_what_was_said_is_forgotten_in_the_end(parts: Parts) -> None:
    parts.deletion.delete_visitor(1, 7)
    _erase(parts)
    store = clickhouse_of(parts)
    table = store._tables.erasures
    for days in (89, 91):
        row = f"name || '-{days}', site_id, user_hash, last_id, now() - interval {days} day"
        store._server.run(f"insert into {table} select {row} from {table} where name not like '%-%'")
    store._server.run(f"optimize table {table} final")
    said = [row[0] for row in store._server.rows(f"select name from {table} order by said")]
    assert [name.partition("-")[2] for name in said] == ["89", ""]
