"""Questions to a ClickHouse that answers nobody wait in so many threads, and no more."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.store import clickhouse, clickhouse_turns
from rybbit.store.clickhouse_turns import Turns
from tests.store.clickhouse_parts import SmallServer, clickhouse_of
from tests.store.conftest import Clocks
from tests.store.parts import PartsMaker

PATIENCE = 60


@pytest.fixture
def full() -> Iterator[tuple[Turns, list[ExitStack]]]:
    """Turns of which all places are taken, and what gives each of them back."""
    turns = Turns()
    taken = [ExitStack() for _ in range(8)]
    for each in taken:
        each.enter_context(turns.turn())
    yield turns, taken
    for each in taken:
        each.close()


def test_nobody_waits_where_no_place_becomes_free(
    full: tuple[Turns, list[ExitStack]], clocks: Clocks
) -> None:
    turns, taken = full
    clocks.move(10)
    with pytest.raises(Unavailable) as raised, turns.turn():
        pass
    assert raised.value.retry_after == 5
    taken[0].close()
    with turns.turn():
        pass


def test_who_waits_comes_next(full: tuple[Turns, list[ExitStack]]) -> None:
    turns, taken = full
    been = threading.Event()

    def wait() -> None:
        with turns.turn():
            been.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not been.wait(0.05)
    taken[0].close()
    assert been.wait(PATIENCE)
    waiting.join(PATIENCE)


def test_a_place_that_changes_hands_gives_hope(
    full: tuple[Turns, list[ExitStack]], clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many slow questions are no silence: whoever waits does so as long as others are answered."""
    turns, taken = full
    waits: list[float | None] = []

    def wait(seconds: float | None = None) -> bool:
        waits.append(seconds)
        clocks.move(4)
        # Somebody is answered, and somebody else takes the place.
        taken[len(waits)].close()
        if len(waits) < 4:
            taken[len(waits)].enter_context(turns.turn())
        return True

    monkeypatch.setattr(turns._changed, "wait", wait)
    with turns.turn():
        assert len(waits) == 4


def test_who_fails_leaves_the_place(full: tuple[Turns, list[ExitStack]]) -> None:
    turns, taken = full
    taken[0].close()
    for _ in range(3):
        with pytest.raises(KeyError), turns.turn():
            raise KeyError("x")


def test_a_child_has_all_places(full: tuple[Turns, list[ExitStack]]) -> None:
    turns, taken = full
    for each in taken:
        each.pop_all()
    turns.reset_after_fork()
    with turns.turn():
        pass


def test_of_a_store(new_clickhouse: PartsMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse_turns, "_AT_ONCE", 1)
    monkeypatch.setattr(clickhouse_turns, "_SILENT_SECONDS", 0)
    parts = new_clickhouse()
    assert parts.count() == 0
    with clickhouse_of(parts)._turns.turn():
        for ask in (parts.count, lambda: parts.store.accepts_pattern("x")):
            with pytest.raises(Unavailable, match="for some seconds"):
                ask()
    assert (parts.count(), parts.store.accepts_pattern("x")) == (0, True)


def test_nobody_waits_long_to_hear_that_it_is_not_well(
    new_clickhouse: PartsMaker, small_server: SmallServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = new_clickhouse(url=small_server.url(tmp_path))
    assert parts.store.is_well() is True
    with small_server.frozen(), monkeypatch.context() as patch:
        patch.setattr(clickhouse, "_HEALTH_SECONDS", 0.1)
        began = clock.monotonic()
        assert [parts.store.is_well() for _ in range(4)] == [False] * 4
        assert clock.monotonic() - began < 30
    assert parts.store.is_well() is True
