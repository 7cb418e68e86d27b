"""The server whose events are in ClickHouse: tracking and reading, also while ClickHouse is away."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rybbit import clock
from rybbit.background import Background
from tests.store.clickhouse_http import PASSWORD
from tests.store.clickhouse_parts import SmallServer, clickhouse_of, stored
from tests.store.conftest import Clocks
from tests.web.people import make_cast
from tests.web.visitors import Visitor
from tests.web.world import Sender, World, running


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[SmallServer]:
    """A server that the test may stop."""
    server = SmallServer(tmp_path / "clickhouse")
    yield server
    server.stop()


@pytest.fixture
def world(clickhouse: SmallServer, tmp_path: Path, migrated_file: Path) -> Iterator[World]:
    """An app of the test's own, with ClickHouse."""
    settings = {"RYBBIT_EVENTS_URL": clickhouse.url(tmp_path)}
    with running(tmp_path / "instance", migrated_file, **settings) as world:
        yield world


def _health(world: World) -> tuple[int, str, str]:
    answer = world.client().get("/api/health")
    assert answer.json is not None
    return answer.status_code, answer.json["status"], answer.json["events"]


def test_events_are_shipped_within_two_seconds(world: World) -> None:
    """From before one is sent until its batch is in, which the server notes: whenever this test looks."""
    tenant = world.add_tenant()
    sender = Sender(world.client(), tenant)
    world.runtime.start()
    # With the first one come the tables.
    for number in (1, 2):
        sent_ms = clock.now_ms()
        assert sender.send().status_code == 200
        assert world.read(tenant, "overview").json["data"]["pageviews"] == number  # type: ignore[index]
        finished_ms = _finished_ms(world, number)
    assert finished_ms - sent_ms <= 2000
    assert stored(world.runtime) == [(2,)]
    assert world.read(tenant, "overview").json["data"]["pageviews"] == 2  # type: ignore[index]


def _finished_ms(world: World, batch: int) -> int:
    """When a batch was in, by the clock of ClickHouse; waits for it."""
    store = clickhouse_of(world.runtime)
    sql = f"select toUnixTimestamp64Milli(finished) from {store._tables.batches} where number = {batch}"
    give_up = time.monotonic() + 10
    while not (rows := store._server.rows(sql)):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    return int(rows[0][0])


class _Rounds(threading.Event):
    """Has a background thread go round after round without waiting, by clocks that stand still else."""

    def __init__(self, clocks: Clocks, between: Callable[[], bool]) -> None:
        super().__init__()
        self._clocks = clocks
        self._between = between

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is over: `between` is asked a tenth of a second after each round."""
        assert timeout is not None
        self._clocks.move(0.1)
        is_over = self._between()
        # A wait is never shorter than it should be.
        self._clocks.move(timeout - 0.1 + 0.001)
        return is_over


def test_a_file_is_shipped_in_the_round_that_closes_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that most of the two seconds is left for the way, whenever in a round an event comes."""
    clocks = Clocks()
    monkeypatch.setattr(Background, "start", lambda _: None)
    monkeypatch.setattr(clock, "now_ms", lambda: clocks.now_ms)
    monkeypatch.setattr(clock, "monotonic", lambda: clocks.monotonic)
    sender = Sender(world.client(), world.add_tenant())
    took: list[float] = []
    sent = [clocks.monotonic]
    assert sender.send().status_code == 200

    def send_again() -> bool:
        if stored(world.runtime) == [(len(sent),)]:
            took.append(clocks.monotonic - sent[-1])
            sent.append(clocks.monotonic)
            assert sender.send().status_code == 200
        return len(took) == 4

    background = world.runtime._background[1]
    background._stopping = _Rounds(clocks, send_again)
    background._run()
    assert max(took) < 1.3


def test_while_it_is_away(world: World, clickhouse: SmallServer) -> None:
    tenant = world.add_tenant()
    sender = Sender(world.client(), tenant)
    assert sender.send(event_id="before").status_code == 200
    assert _health(world) == (200, "ok", "ok")
    clickhouse.stop()
    assert sender.send(event_id="meanwhile").status_code == 200
    assert _health(world) == (200, "degraded", "failing")
    answer = world.read(tenant, "overview")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert b"event store" in answer.data
    clickhouse.start()
    assert _health(world) == (200, "ok", "ok")
    assert world.read(tenant, "overview").json["data"]["pageviews"] == 2  # type: ignore[index]
    assert PASSWORD not in str(world.runtime.describe())


def test_sites_are_listed_while_it_is_away(world: World, clickhouse: SmallServer) -> None:
    cast = make_cast(world)
    owner = Visitor(cast, "owner")
    assert "event store" not in owner.get("/sites").text
    clickhouse.stop()
    page = owner.get("/sites")
    assert page.status_code == 200
    assert cast.domain in page.text
    assert "the event store does not answer" in page.text
    assert owner.get("/sites/{site}/settings/general").status_code == 200
    clickhouse.start()
    assert "event store" not in owner.get("/sites").text
