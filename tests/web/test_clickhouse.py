"""The server whose events are in ClickHouse: tracking and reading, also while ClickHouse is away."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.clickhouse_http import PASSWORD
from tests.store.clickhouse_parts import SmallServer
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
    tenant = world.add_tenant()
    sender = Sender(world.client(), tenant)
    world.runtime.start()
    assert sender.send().status_code == 200
    assert world.read(tenant, "overview").json["data"]["pageviews"] == 1  # type: ignore[index]
    sent = time.monotonic()
    while world.runtime.store.describe()["events"] == 0:
        assert time.monotonic() < sent + 10
        time.sleep(0.05)
    assert time.monotonic() < sent + 2.5
    assert world.read(tenant, "overview").json["data"]["pageviews"] == 1  # type: ignore[index]


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
