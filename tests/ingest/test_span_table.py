"""The table of sessions: full, crowded, swept, shared, and cut off in the middle."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rybbit import clock
from rybbit.ingest import span_table
from rybbit.ingest.span_table import Row, SpanTable
from tests.store.parts import NOON_MS

MINUTE = 60_000
HOUR = 60 * MINUTE


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few slots that spans collide and the table grows, and blocks so short that sessions have pieces."""
    monkeypatch.setattr(span_table, "_LEAST_SLOTS", 8)
    monkeypatch.setattr(span_table, "_SWEPT_AT_ONCE", 5)
    monkeypatch.setattr(span_table, "_SEARCHED_AT_ONCE", 3)
    monkeypatch.setattr(span_table, "BLOCK_MS", HOUR)


@pytest.fixture
def table(tmp_path: Path) -> SpanTable:
    table = SpanTable(tmp_path / "spans")
    assert not table.is_ready()
    table.fill([], last_id=0)
    assert table.is_ready()
    return table


def _rows(table: SpanTable) -> set[Row]:
    """The spans, put together from their pieces."""
    spans: dict[tuple[int, int, int], Row] = {}
    for site_id, user_hash, session_id, first, last, received in table._live_rows(0):
        assert first // HOUR == last // HOUR
        key = (site_id, user_hash, session_id)
        _, _, _, begun, ended, joined = spans.get(key, (*key, first, last, received))
        spans[key] = (*key, min(begun, first), max(ended, last), max(joined, received))
    return set(spans.values())


def _sweep(table: SpanTable, now_ms: int) -> None:
    start = table.sweep(0, now_ms=now_ms)
    while start:
        start = table.sweep(start, now_ms=now_ms)


_VISITORS = st.tuples(st.integers(1, 3), st.sampled_from([-(2**63), -9, -8, -1, 0, 1, 8, 16, 2**63 - 1]))
_STEPS = st.lists(
    st.tuples(st.just("assign"), _VISITORS, st.integers(0, 30))
    | st.tuples(st.just("visitor"), _VISITORS, st.just(0))
    | st.tuples(st.just("site"), _VISITORS, st.just(0))
    | st.tuples(st.sampled_from(["sweep", "reopen"]), _VISITORS, st.just(0)),
    max_size=60,
)


class TestAgainstAList:
    """The same as a list of spans that is searched from end to end."""

    @settings(max_examples=150, deadline=None)
    @given(steps=_STEPS)
    def test_any_steps(
        self, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, tuple[int, int], int]]
    ) -> None:
        path = tmp_path_factory.mktemp("steps") / "spans"
        one, other = SpanTable(path), SpanTable(path)
        one.fill([], last_id=0)
        spans: list[list[int]] = []
        now_ms = NOON_MS
        for number, (step, visitor, five_minutes) in enumerate(steps, start=1):
            table = one if number % 3 else other
            assert table.is_ready()
            now_ms += 20 * MINUTE
            if step == "assign":
                moment = now_ms - five_minutes * 5 * MINUTE
                near = [
                    (max(span[3] - moment, moment - span[4], 0), span[2], span)
                    for span in spans
                    if tuple(span[:2]) == visitor and span[3] - 30 * MINUTE <= moment <= span[4] + 30 * MINUTE
                ]
                assert table.has_live(visitor, moment) == bool(near)
                session = table.assign(visitor, moment, number, now_ms=now_ms)
                assert session == (min(near)[1] if near else number)
                if near:
                    span = min(near)[2]
                    span[3:] = [min(span[3], moment), max(span[4], moment), now_ms]
                else:
                    spans.append([*visitor, number, moment, moment, now_ms])
            elif step == "visitor":
                table.forget_visitor(visitor)
                spans = [span for span in spans if tuple(span[:2]) != visitor]
            elif step == "site":
                table.forget_site(visitor[0])
                spans = [span for span in spans if span[0] != visitor[0]]
            elif step == "sweep":
                _sweep(table, now_ms)
                spans = [span for span in spans if span[5] >= now_ms - 48 * HOUR]
            else:
                table.close()
                assert table.is_ready()
            assert _rows(table) == {tuple(span) for span in spans}
        one.close()
        other.close()

    def test_it_grows_and_the_others_follow(self, table: SpanTable, tmp_path: Path) -> None:
        other = SpanTable(tmp_path / "spans")
        assert other.is_ready()
        table.last_id = 77
        for number in range(1, 1_001):
            assert table.assign((1, number), NOON_MS, number, now_ms=NOON_MS) == number
        assert other.is_ready()
        for number in range(1, 1_001):
            assert other.assign((1, number), NOON_MS + MINUTE, 5_000, now_ms=NOON_MS) == number
        assert (other.last_id, len(_rows(table))) == (77, 1_000)

    def test_forgotten_ones_make_room(self, table: SpanTable, tmp_path: Path) -> None:
        for number in range(1, 2_000):
            now_ms = NOON_MS + number * HOUR
            table.assign((1, number * 7_919), now_ms, number, now_ms=now_ms)
            if number % 5 == 0:
                _sweep(table, now_ms)
        assert len(_rows(table)) < 60
        assert (tmp_path / "spans").stat().st_size <= 64 + 256 * 48

    def test_what_a_visitor_did_at_other_times_is_not_looked_at(
        self, table: SpanTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(1, 3_001):
            table.assign((1, 5), NOON_MS + number * 2 * HOUR, number, now_ms=NOON_MS)
        looked_at = []
        real = SpanTable._places

        def places(spied: SpanTable, *arguments: Any) -> Iterator[int]:
            for base in real(spied, *arguments):
                looked_at.append(base)
                yield base

        monkeypatch.setattr(SpanTable, "_places", places)
        for number in range(1, 3_001):
            assert table.assign((1, 5), NOON_MS + number * 2 * HOUR + 1, 9_999, now_ms=NOON_MS) == number
        assert len(looked_at) < 10 * 3_000


class TestReadiness:
    """When it has to be filled anew."""

    def _reopened(self, path: Path) -> bool:
        table = SpanTable(path)
        # Twice: a no must not become a yes by asking again.
        first, second = table.is_ready(), table.is_ready()
        assert first == second
        table.close()
        return first

    def test_it_outlives_its_process(self, table: SpanTable, tmp_path: Path) -> None:
        table.assign((1, 5), NOON_MS, 9, now_ms=NOON_MS)
        table.is_noted = True
        table.close()
        again = SpanTable(tmp_path / "spans")
        assert again.is_ready()
        assert (_rows(again), again.is_noted) == ({(1, 5, 9, NOON_MS, NOON_MS, NOON_MS)}, True)

    def test_it_does_not_outlive_the_machines_start(
        self, table: SpanTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table.close()
        monkeypatch.setattr(clock, "boot_id", lambda: "another boot")
        assert not self._reopened(tmp_path / "spans")

    @pytest.mark.parametrize("size", [0, 1, 63, 64, 383])
    def test_one_that_was_cut_off(self, table: SpanTable, tmp_path: Path, size: int) -> None:
        table.close()
        os.truncate(tmp_path / "spans", size)
        assert not self._reopened(tmp_path / "spans")

    def test_one_with_a_tail(self, table: SpanTable, tmp_path: Path) -> None:
        table.assign((1, 5), NOON_MS, 9, now_ms=NOON_MS)
        table.close()
        with (tmp_path / "spans").open("ab") as file:
            file.write(b"abc")
        again = SpanTable(tmp_path / "spans")
        assert again.is_ready()
        assert len(_rows(again)) == 1
        again.fill([], last_id=0)
        assert again.is_ready()

    @pytest.mark.parametrize("slots", [0, 1, -8, 9, 12, 2**40])
    def test_one_that_counts_wrongly(self, table: SpanTable, tmp_path: Path, slots: int) -> None:
        table._words[3] = slots
        table.close()
        assert not self._reopened(tmp_path / "spans")

    def test_a_death_while_it_is_laid_out(
        self, table: SpanTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(1, 4):
            table.assign((1, number), NOON_MS, number, now_ms=NOON_MS)
        rows = _rows(table)
        real = SpanTable._put
        put: list[Row] = []

        def die(dying: SpanTable, row: Row) -> None:
            put.append(row)
            if len(put) == 2:
                raise KeyboardInterrupt
            real(dying, row)

        with monkeypatch.context() as mortal:
            mortal.setattr(SpanTable, "_put", die)
            with pytest.raises(KeyboardInterrupt):
                table.fill(rows, last_id=3)
        assert not table.is_ready()
        assert not self._reopened(tmp_path / "spans")
        table.fill(rows, last_id=3)
        assert _rows(table) == rows

    def test_no_room_for_a_larger_one(
        self, table: SpanTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any) -> None:
            raise OSError("No space left on device")

        with monkeypatch.context() as narrow:
            narrow.setattr(span_table, "_allocate", full)
            with pytest.raises(OSError, match="No space"):
                for number in range(1, 100):
                    table.assign((1, number), NOON_MS, number, now_ms=NOON_MS)
        # What it knew, it knows.
        assert table.is_ready()
        known = _rows(table)
        assert len(known) >= 4
        for number in range(1, 100):
            assert table.assign((1, number), NOON_MS, 1_000 + number, now_ms=NOON_MS) % 1_000 == number
        assert known <= _rows(table)


def test_what_is_forgotten_is_not_in_the_file(table: SpanTable, tmp_path: Path) -> None:
    visitor, site = 0x1122334455667788, 0x55667788
    table.assign((1, visitor), NOON_MS, 3, now_ms=NOON_MS)
    table.assign((site, 5), NOON_MS, 4, now_ms=NOON_MS)
    content = (tmp_path / "spans").read_bytes()
    assert visitor.to_bytes(8, "little") in content or visitor.to_bytes(8, "big") in content
    table.forget_visitor((1, visitor))
    table.forget_site(site)
    content = (tmp_path / "spans").read_bytes()
    for number in (visitor, site):
        assert number.to_bytes(8, "little") not in content
        assert number.to_bytes(8, "big") not in content
