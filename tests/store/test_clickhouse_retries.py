"""Batches come into ClickHouse exactly once, whoever dies and whatever answer is lost, over HTTP."""

from pathlib import Path

import pytest

from rybbit.errors import Unavailable
from tests.store.clickhouse_parts import SmallServer, clickhouse_of, stored
from tests.store.parts import NOON_MS, Parts, PartsMaker, line, run_child

MONTH_MS = 31 * 86_400_000
EVENTS = 30
POINTS = (
    *("mover:before-manifest", "mover:manifest-written", "clickhouse:piece-stored"),
    *("clickhouse:batch-marked", "mover:committed", "mover:files-removed"),
)
INSERT = "INSERT INTO"
MARK = "(writer, number, events"


@pytest.fixture
def parts(new_clickhouse: PartsMaker, small_server: SmallServer, tmp_path: Path) -> Parts:
    """The parts of a process, on a server that does what it is told."""
    small_server.set_faults()
    return new_clickhouse(url=small_server.url(tmp_path))


def _three_months() -> list[bytes]:
    return [line(number, timestamp=NOON_MS + number % 3 * MONTH_MS) for number in range(EVENTS)]


def _check(parts: Parts) -> None:
    """Everything is there once, for a reader and in the table, and nothing is left to do."""
    assert parts.ids() == list(range(EVENTS))
    assert stored(parts, "id") == [(number,) for number in range(EVENTS)]
    assert [path.name for path in parts.journal_folder.path.iterdir()] == ["quarantine"]
    assert parts.store.last_batch() == 1


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("bad", [False, True])
def test_the_mover_dies(
    parts: Parts, small_server: SmallServer, monkeypatch: pytest.MonkeyPatch, point: str, bad: bool
) -> None:
    monkeypatch.setenv("RYBBIT_TEST_EVENTS_URL", small_server.url(parts.folder))
    parts.store_line(*_three_months(), *([b"no event\n"] if bad else []))
    run_child(parts.folder, "move", crash_at=point, code=-9)
    assert parts.ids() == list(range(EVENTS))
    # It dies there again, and again it is found.
    run_child(parts.folder, "move", crash_at=point, code=None)
    assert parts.ids() == list(range(EVENTS))
    run_child(parts.folder, "move")
    _check(parts)


@pytest.mark.parametrize("how", ["lose", "drop", "241"])
@pytest.mark.parametrize(("contains", "skip"), [(INSERT, 0), (INSERT, 1), (INSERT, 2), (MARK, 0)])
def test_a_statement_fails(
    parts: Parts, small_server: SmallServer, how: str, contains: str, skip: int
) -> None:
    """It was refused, never came, or was done although nobody was told; and the same once more."""
    parts.store_line(*_three_months())
    small_server.set_faults({"contains": contains, "how": how, "skip": skip, "times": 2})
    tries = 0
    while True:
        tries += 1
        try:
            parts.mover.move_all()
            break
        except Unavailable:
            assert parts.ids() == list(range(EVENTS))
    # What went in although its answer was lost is not sent again.
    assert tries > 1
    small_server.set_faults()
    _check(parts)


def test_an_insert_that_comes_late(parts: Parts) -> None:
    """A first try may be on its way when its rows are counted: of two with one token one does nothing."""
    name = parts.store_line(*_three_months())
    path = parts.journal_folder.path / name
    assert parts.store.commit_batch(1, [path]) == EVENTS
    _forget(parts)
    assert parts.store.commit_batch(1, [path]) == EVENTS
    assert stored(parts) == [(EVENTS,)]


def test_a_token_that_is_forgotten(parts: Parts) -> None:
    """The server remembers a number of tokens only; then the count is believed."""
    name = parts.store_line(*_three_months())
    path = parts.journal_folder.path / name
    parts.store.commit_batch(1, [path])
    store = clickhouse_of(parts)
    store._server.run(
        f"alter table {store._tables.events} modify setting non_replicated_deduplication_window = 0"
    )
    _forget(parts)
    store._progress.begin(1)
    parts.store.commit_batch(1, [path])
    assert stored(parts) == [(EVENTS,)]


def _forget(parts: Parts) -> None:
    """Take away every note that batch 1 is in."""
    store = clickhouse_of(parts)
    store._server.run(f"truncate table {store._tables.batches}")
    (store._progress.folder / "progress").unlink()
    assert store.last_batch() == 0


def test_half_a_batch_is_not_seen(parts: Parts, small_server: SmallServer) -> None:
    parts.store_line(*_three_months())
    small_server.set_faults({"contains": INSERT, "how": "drop", "skip": 2, "times": 99})
    with pytest.raises(Unavailable):
        parts.mover.move_all()
    assert stored(parts) == [(20,)]
    assert parts.count() == EVENTS
    other = parts.store.query("select count(*), count(distinct id) from events")
    assert other == [(EVENTS, EVENTS)]
    small_server.set_faults()
    parts.mover.move_all()
    _check(parts)
