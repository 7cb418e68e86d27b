"""The answers of a store against the same questions counted out in plain Python (`tests.stats.reference`).

Events lie in files of the table, in closed files of the journal and in an open one, as they do at any moment.
"""

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rybbit import clock
from rybbit.stats import question
from rybbit.stats.period import parse_period
from rybbit.store import export_pages
from rybbit.store.base import EventStore
from tests.stats.questions import QUESTIONS, as_question
from tests.stats.reference.asking import Asking, make_asking
from tests.stats.reference.traffic import Traffic, as_line, random_traffic, spread, traffic
from tests.store.clickhouse_parts import compact, drop_database, make_clickhouse_parts
from tests.store.kept_visits import refuse_to_give_up
from tests.store.parts import Parts, make_parts

_T = TypeVar("_T")


def _make_parts_with_visits(folder: Path) -> Parts:
    return make_parts(folder, keep_visits_of=1, ask_visits_of=0)


ENGINES: dict[str, Callable[[Path], Parts]] = {
    "lake": make_parts,
    "lake with kept visits": _make_parts_with_visits,
    "clickhouse": make_clickhouse_parts,
}
"""Every kind of store, with the parts around it."""


@contextmanager
def _filled(engine: str, made: Traffic) -> Iterator[Parts]:
    """Parts that hold the traffic in every kind of place, at the moment when all of it is in."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now_ms", lambda: made.world.now_ms)
        # Answers are compared here, whatever else this machine does; that patterns end has tests of its own.
        patch.setattr(question, "_SECONDS", 60.0)
        refuse_to_give_up(patch)
        # Or exports of so few would be of one page.
        patch.setattr(export_pages, "_FIRST_EVENTS", 3)
        parts = ENGINES[engine](Path(folder))
        try:
            first, second, third, last = ([as_line(event) for event in lot] for lot in spread(made, 4))
            for lot in (first, second):
                parts.move_line(*lot)
                # Nothing is to be merged, but visits may be to be kept.
                parts.store.rewrite()
            parts.store_line(*third)
            (parts.journal_folder.path / "1-a.open").write_bytes(b"".join(last))
            yield parts
        finally:
            drop_database(parts.store)
            parts.close()


def _differences(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Where two answers are not the same; floating point numbers may differ by rounding."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in {**expected, **found}:
            if key in expected and key in found:
                yield from _differences(found[key], expected[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is only in {'the reference' if key in expected else 'the store'}"
    elif isinstance(expected, list) and isinstance(found, list):
        if len(found) != len(expected):
            yield f"{path} has {len(found)} in place of {len(expected)} rows"
        for place, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from _differences(one, other, f"{path}[{place}]")
    elif not _is_same(found, expected):
        yield f"{path} is {found!r:.200} in place of {expected!r:.200}"


def _is_same(found: object, expected: object) -> bool:
    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    return type(found) is type(expected) and found == expected


def _compare(store: EventStore, made: Traffic, asking: Asking, name: str) -> None:
    pair = QUESTIONS[name]
    found = pair.ask(store, as_question(asking.asked))
    expected = pair.count(made.events, asking.asked)
    assert list(_differences(found, expected)) == [], f"{name}: {asking}"


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    """The name of one of the engines."""
    return str(request.param)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=traffic(), data=st.data())
def test_small_traffic(engine: str, made: Traffic, data: st.DataObject) -> None:
    def pick(options: Any) -> Any:
        return data.draw(st.sampled_from(options))

    with _filled(engine, made) as parts:
        for _ in range(4):
            asking = make_asking(pick, made.world)
            for name in data.draw(st.lists(st.sampled_from(sorted(QUESTIONS)), min_size=5, max_size=10)):
                _compare(parts.store, made, asking, name)


@pytest.mark.parametrize("seed", range(3))
def test_much_traffic(engine: str, seed: int) -> None:
    made = random_traffic(seed, 250)
    chance = Random(seed)
    with _filled(engine, made) as parts:
        for most in (0, 1, 2):
            asking = make_asking(chance.choice, made.world, most_filters=most)
            # Over the seeds each question comes twice with each number of filters.
            for place, name in enumerate(QUESTIONS):
                if (place + seed + most) % 3:
                    _compare(parts.store, made, asking, name)


def test_each_filter_by_itself(engine: str) -> None:
    made = random_traffic(50, 150)
    chance = Random(50)
    with _filled(engine, made) as parts:
        for _ in range(100):
            asking = make_asking(chance.choice, made.world, most_filters=1)
            for name in ("overview", "breakdown by browser"):
                _compare(parts.store, made, asking, name)


def test_nothing_changes_when_events_move(engine: str) -> None:
    """Neither for the process that moves them nor for one beside it."""
    made = random_traffic(60, 200)
    chance = Random(60)
    askings = [make_asking(chance.choice, made.world, most_filters=most) for most in (0, 1)]
    pairs = chance.sample(list(product(QUESTIONS.values(), askings)), 80)
    with _filled(engine, made) as parts, closing(ENGINES[engine](parts.folder)) as beside:
        stores = (parts.store, beside.store)

        def ask(turn: int) -> list[Any]:
            """Half of them each, and the other half at the other turn."""
            return [
                each.ask(stores[(place + turn) % 2], as_question(asking.asked))
                for place, (each, asking) in enumerate(pairs)
            ]

        before = ask(0)
        parts.mover.move_all()
        moved = ask(0)
        files = parts.store.describe()["files"]
        compact(parts)
        assert parts.store.describe()["files"] < files
        compacted = ask(1)
    assert list(_differences(moved, before)) == []
    assert list(_differences(compacted, before)) == []


@settings(max_examples=250, deadline=None)
@given(made=traffic(most=0), data=st.data())
def test_periods(made: Traffic, data: st.DataObject) -> None:
    def pick(options: Any) -> Any:
        return data.draw(st.sampled_from(options))

    asking = make_asking(pick, made.world, most_filters=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now_ms", lambda: made.world.now_ms)
        assert parse_period(asking.arguments) == as_question(asking.asked).period
