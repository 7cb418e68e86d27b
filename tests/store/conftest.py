"""The store of a test: journal, lake, receipts and mover on a folder of its own, and steppable clocks."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rybbit import clock
from rybbit.store import lake
from tests.store.clickhouse_parts import SmallServer, drop_database, make_clickhouse_parts
from tests.store.parts import Parts, PartsMaker, make_parts

on_both_engines = pytest.mark.parametrize("events_engine", ["lake", "clickhouse"], indirect=True)
"""Has tests that ask for parts run with the lake and with ClickHouse."""


@pytest.fixture
def events_engine(request: pytest.FixtureRequest) -> str:
    """What keeps the events of the parts: the lake, unless the test is `on_both_engines`."""
    return str(getattr(request, "param", "lake"))


@pytest.fixture
def new_parts(tmp_path: Path, events_engine: str) -> Iterator[PartsMaker]:
    """Makes the parts of as many processes as the test wants, all on one folder unless another is given."""
    made: list[Parts] = []
    make_any = make_parts if events_engine == "lake" else make_clickhouse_parts

    def make(folder: Path = tmp_path, **settings: Any) -> Parts:
        made.append(make_any(folder, **settings))
        return made[-1]

    yield make
    for parts in made:
        drop_database(parts.store)
        parts.close()


@pytest.fixture
def parts(new_parts: PartsMaker) -> Parts:
    """The parts of one process."""
    return new_parts()


@pytest.fixture
def keeper(new_parts: PartsMaker) -> Parts:
    """Parts that keep the visits of every file, and use them for every question."""
    return new_parts(keep_visits_of=1, ask_visits_of=0, keep_answers=0)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each question over visits could be answered from kept ones."""
    found: list[bool] = []
    real = lake.with_kept_visits

    def spy(*arguments: Any) -> Any:
        answer = real(*arguments)
        found.append(answer is not None)
        return answer

    monkeypatch.setattr(lake, "with_kept_visits", spy)
    return found


@pytest.fixture
def new_clickhouse(tmp_path: Path) -> Iterator[PartsMaker]:
    """Makes parts with ClickHouse, on one folder unless another is given; see `make_clickhouse_parts`."""
    made: list[Parts] = []

    def make(folder: Path = tmp_path, **settings: Any) -> Parts:
        made.append(make_clickhouse_parts(folder, **settings))
        return made[-1]

    yield make
    for parts in made:
        drop_database(parts.store)
        parts.close()


@pytest.fixture(scope="session")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallServer]:
    """A ClickHouse server of all tests, which is left as it was found."""
    server = SmallServer(tmp_path_factory.mktemp("clickhouse") / "data")
    yield server
    server.stop()


class Clocks:
    """Both clocks, standing still until they are moved."""

    def __init__(self) -> None:
        self.now_ms = clock.now_ms()
        self.monotonic = clock.monotonic()

    def move(self, seconds: float) -> None:
        """Step both clocks, back too."""
        self.now_ms += round(seconds * 1000)
        self.monotonic += max(seconds, 0)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks that the test moves."""
    clocks = Clocks()
    monkeypatch.setattr(clock, "now_ms", lambda: clocks.now_ms)
    monkeypatch.setattr(clock, "monotonic", lambda: clocks.monotonic)
    return clocks


class Pause:
    """A method that, when it is called, says so and waits until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self._real = getattr(owner, name)
        monkeypatch.setattr(owner, name, self)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.reached.set()
        assert self.opened.wait(60)
        return self._real(*arguments, **named)
