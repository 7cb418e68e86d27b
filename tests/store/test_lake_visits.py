"""Kept visits never change an answer, and save work."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rybbit.store import lake_visits, lake_visits_query
from rybbit.store.base import Scope
from rybbit.store.visit import TRAITS, Visits
from tests.store.kept_visits import ALL, COUNT, ask_visits, counted_visits, refuse_to_give_up
from tests.store.parts import NOON_MS, Parts, PartsMaker, entry, line, make_parts

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
BY_HOUR = f"divide(epoch_us(timestamp), {HOUR_MS * 1000})"
BY_DAY = f"divide(epoch_us(timestamp), {DAY_MS * 1000})"


@pytest.fixture(autouse=True)
def _no_help_from_events(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_give_up(monkeypatch)


@dataclass(frozen=True)
class World:
    """Lots of journal lines: those of files of the table, and what the journal has at last."""

    lots: Sequence[Sequence[bytes]]
    closed: Sequence[bytes]
    open: Sequence[bytes]


_MOMENTS = st.sampled_from(
    [0, 1, 5 * MINUTE_MS, HOUR_MS - 1, HOUR_MS, 12 * HOUR_MS - 1, 12 * HOUR_MS, 3 * DAY_MS]
)
_TEXTS = st.sampled_from([None, "", "a", "b", "ab"])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Few visits of many events, so that some are in several places, of several users, or vary."""
    number = 0

    def event() -> bytes:
        nonlocal number
        number += 1
        texts = {
            name: draw(_TEXTS) for name in ("browser", "operating_system", "country", "channel", "pathname")
        }
        return line(
            number,
            draw(st.sampled_from([1, 1, 1, 2])),
            timestamp=NOON_MS + draw(_MOMENTS),
            session_id=draw(st.sampled_from([-(2**63), *range(10), 2**63 - 1])),
            user_hash=draw(st.sampled_from([1, 1, 1, 2])),
            type=draw(st.sampled_from(["pageview", "pageview", "custom_event"])),
            **{name: text for name, text in texts.items() if text is not None},
        )

    def lot(least: int) -> list[bytes]:
        return [event() for _ in range(draw(st.integers(least, 5)))]

    lots = [lot(1) for _ in range(draw(st.integers(1, 3)))]
    is_moved = draw(st.booleans())
    return World(lots, [], []) if is_moved else World(lots, lot(0), lot(0))


_BOUNDS = st.none() | _MOMENTS.map(lambda moment: NOON_MS + moment)
_SCOPES = st.builds(Scope, st.sampled_from([1, 2, 3]), _BOUNDS, _BOUNDS)
_COLUMNS = st.lists(st.sampled_from(ALL.columns), unique=True).map(tuple)
_VISITS = st.builds(Visits, _COLUMNS, st.sampled_from(["", BY_HOUR, BY_DAY]))


class TestAnswers:
    """Kept visits say what events say."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        world=worlds(),
        asked=st.lists(st.tuples(_VISITS, _SCOPES), min_size=10, max_size=20),
        merged=st.booleans(),
    )
    def test_they_are_the_same(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        world: World,
        asked: list[tuple[Visits, Scope]],
        *,
        merged: bool,
    ) -> None:
        parts = make_parts(tmp_path_factory.mktemp("world"), keep_visits_of=1, ask_visits_of=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lake_visits, "_PART_ROWS", (3,))
            for lot in world.lots:
                parts.move_line(*lot)
                parts.store.rewrite(everything=merged)
            parts.store_line(*world.closed)
            (parts.journal_folder.path / "1-a.open").write_bytes(b"".join(world.open))
            for visits, scope in asked:
                assert ask_visits(parts, visits, scope) == counted_visits(parts, visits, scope), (
                    visits,
                    scope,
                )
        parts.close()

    def test_a_visit_is_not_counted_twice_while_it_goes_on(
        self, keeper: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        journal = keeper.journal_folder.path / "1-a.open"
        journal.write_bytes(line(2))
        real = lake_visits_query._find_rest

        def find_rest(*arguments: Any) -> Any:
            found = real(*arguments)
            with journal.open("ab") as file:
                file.write(line(3, session_id=1, user_hash=1))
            return found

        monkeypatch.setattr(lake_visits_query, "_find_rest", find_rest)
        count = Visits(("pageviews",))
        assert ask_visits(keeper, count) == [(1, 1), (2, 1)]
        monkeypatch.undo()
        assert ask_visits(keeper, count) == [(1, 2), (2, 1)]

    def test_with_too_many_exceptions_events_are_counted(
        self, keeper: Parts, used: list[bool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lake_visits_query, "_MOST_REST", 3)
        for number in range(1, 4):
            later = line(number + 10, session_id=number, user_hash=number, timestamp=NOON_MS + HOUR_MS)
            keeper.move_line(line(number), later)
            keeper.store.rewrite(everything=True)
            by_hour = Visits(("pageviews",), BY_HOUR)
            assert ask_visits(keeper, by_hour) == counted_visits(keeper, by_hour)
        assert used == [True, True, False]

    def test_hidden_events_do_not_count(self, keeper: Parts, used: list[bool]) -> None:
        keeper.move_line(line(1), line(2), line(3, 2))
        keeper.store.rewrite()
        keeper.deletion.delete_visitor(1, 1)
        assert [row[0] for row in ask_visits(keeper)] == [2]
        assert used == []
        assert [row[0] for row in ask_visits(keeper, scope=Scope(2))] == [3]
        assert used == [True]


class TestUse:
    """They are used where they save work."""

    def test_no_event_of_a_whole_visit_is_read(self, keeper: Parts) -> None:
        keeper.move_line(line(1), line(2))
        keeper.store.rewrite()
        expected = counted_visits(keeper)
        for path in keeper.files():
            path.write_bytes(b"")
        assert ask_visits(keeper) == expected

    @pytest.mark.parametrize(("events", "is_used"), [(9, False), (10, True)])
    def test_a_small_question_reads_events(
        self, new_parts: PartsMaker, used: list[bool], events: int, *, is_used: bool
    ) -> None:
        parts = new_parts(keep_visits_of=1, ask_visits_of=10)
        parts.move_line(*[line(number, timestamp=NOON_MS + number) for number in range(1, events + 1)])
        parts.store.rewrite()
        assert len(ask_visits(parts)) == events
        assert used == [True] * is_used

    def test_spans_hold_every_visit_and_leave_out_the_widest_gaps(self) -> None:
        chance = Random(7)
        for size in (0, 1, 2, 3, 30):
            starts = sorted(chance.randrange(1_000_000) for _ in range(size))
            visits = [(start, start + chance.randrange(20_000)) for start in starts]
            spans = list(lake_visits_query._merged(visits))
            assert len(spans) <= 4
            assert all(any(low <= first and last <= high for low, high in spans) for first, last in visits)
            assert spans == sorted(spans)
        # A visit that is long enough to reach over later ones parts nothing.
        assert list(lake_visits_query._merged([(0, 90), (10, 20), (100, 110), (300, 310)])) == [
            (0, 90),
            (100, 110),
            (300, 310),
        ]
        far = [(number**2 * 100, number**2 * 100 + 1) for number in range(6)]
        assert list(lake_visits_query._merged(far)) == [(0, 401), (900, 901), (1600, 1601), (2500, 2501)]


class TestExceptions:
    """Rows that do not tell all of a visit."""

    def test_several_users(self, keeper: Parts) -> None:
        keeper.move_line(line(1, session_id=1, user_hash=1), line(2, session_id=1, user_hash=2))
        keeper.store.rewrite()
        assert ask_visits(keeper, COUNT) == [(1, 2)]

    def test_events_in_a_young_file(self, keeper: Parts) -> None:
        keeper.move_line(line(1))
        keeper.store.rewrite()
        keeper.move_line(line(2, session_id=1, user_hash=1))
        assert ask_visits(keeper, COUNT) == [(1, 2)]

    @pytest.mark.parametrize("scope", [Scope(1, NOON_MS, None), Scope(1, None, NOON_MS)])
    def test_just_across_an_end_of_the_scope(self, keeper: Parts, scope: Scope) -> None:
        keeper.move_line(*[line(n, session_id=1, user_hash=1, timestamp=NOON_MS - 2 + n) for n in (1, 2)])
        keeper.store.rewrite()
        assert ask_visits(keeper, COUNT, scope) == [(1, 1)]

    @pytest.mark.parametrize("order", [1, -1])
    @pytest.mark.parametrize("scope", [Scope(1, NOON_MS, None), Scope(1, None, NOON_MS)])
    def test_across_an_end_in_one_of_several_files(self, keeper: Parts, scope: Scope, order: int) -> None:
        across = [
            line(n, session_id=1, user_hash=1, timestamp=NOON_MS + (2 * n - 3) * HOUR_MS) for n in (1, 2)
        ]
        lots = [across, *[[line(n, timestamp=NOON_MS + side)] for n, side in ((3, -1), (4, 1))]]
        for lot in lots[::order]:
            keeper.move_line(*lot)
        keeper.store.rewrite()
        found = ask_visits(keeper, COUNT, scope)
        assert found == counted_visits(keeper, COUNT, scope)
        assert (1, 1) in found

    @pytest.mark.parametrize("order", [1, -1])
    @pytest.mark.parametrize(("difference", "count"), [({"user_hash": 2}, 2), ({"browser": "b"}, 3)])
    def test_uneven_in_one_of_several_files(
        self, keeper: Parts, difference: dict[str, Any], order: int, count: int
    ) -> None:
        visit = {"session_id": 1, "user_hash": 1, "browser": "a"}
        lots = [[line(1, **visit), line(2, **{**visit, **difference})], [line(3, browser="a")]]
        for lot in lots[::order]:
            keeper.move_line(*lot)
        keeper.store.rewrite()
        visits = Visits((*difference, "pageviews")) if "browser" in difference else COUNT
        assert ask_visits(keeper, visits) == counted_visits(keeper, visits)
        assert len(ask_visits(keeper, visits)) == count

    @pytest.mark.parametrize("name", TRAITS)
    @pytest.mark.parametrize("values", [("a", "b"), ("a", None)])
    def test_any_trait_that_varies(
        self, keeper: Parts, name: str, values: tuple[str | None, str | None]
    ) -> None:
        columns = [{name: value} if value else {} for value in values]
        keeper.move_line(*[line(n, session_id=1, user_hash=1, **texts) for n, texts in enumerate(columns, 1)])
        keeper.store.rewrite()
        found = ask_visits(keeper, Visits((name, "pageviews")))
        assert found == sorted((1, value or "", 1) for value in values)

    @pytest.mark.parametrize(
        "traits",
        [
            ({"browser": "ab"}, {"browser": "a", "operating_system": "b"}),
            ({"browser": "a"}, {"operating_system": "a"}),
        ],
    )
    def test_traits_that_make_the_same_text_together(
        self, keeper: Parts, traits: Sequence[dict[str, str]]
    ) -> None:
        keeper.move_line(*[line(n, session_id=1, user_hash=1, **texts) for n, texts in enumerate(traits, 1)])
        keeper.store.rewrite()
        assert ask_visits(keeper, Visits(("browser",))) == sorted(
            (1, texts.get("browser", "")) for texts in traits
        )

    def test_a_condition_on_what_varies(self, keeper: Parts) -> None:
        keeper.move_line(
            *[line(n, session_id=1, user_hash=1, browser=name) for n, name in ((1, "a"), (2, "b"))]
        )
        keeper.store.rewrite()
        for condition in ("browser = 'a'", "browser = 'b'"):
            visits = Visits(("pageviews",), condition=condition, kept_condition=condition)
            assert ask_visits(keeper, visits) == [(1, 1)]


def test_readers_see_each_event_once_while_everything_moves(keeper: Parts, new_parts: PartsMaker) -> None:
    mover = new_parts(keep_visits_of=1, ask_visits_of=0)
    sent = 0
    is_over = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        nonlocal sent
        for number in range(400):
            keeper.journal.append([entry(visitor=number % 7)])
            sent += 1
            if number % 5 == 0:
                keeper.journal.close_file()

    def move() -> None:
        for number in count():
            if is_over.is_set():
                return
            mover.mover.move_all()
            mover.store.rewrite(everything=number % 4 == 3)

    def watched(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)
                raise

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    moving, writing = watched(move), watched(write)
    try:
        looks = 0
        while writing.is_alive() or looks < 5:
            least = sent
            visits = ask_visits(keeper, Visits(("user_hash", "pageviews")))
            # One may be on its way to the disk, and be told as sent after we looked.
            assert least <= sum(row[2] for row in visits) <= sent + 1
            assert len(visits) == len({row[0] for row in visits}) == len({row[1] for row in visits}) <= 7
            looks += 1
    finally:
        is_over.set()
        for thread in (writing, moving):
            thread.join()
    assert failures == []
    assert sum(row[2] for row in ask_visits(keeper, Visits(("user_hash", "pageviews")))) == 400
