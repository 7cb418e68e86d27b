"""`rybbit serve` with ClickHouse under load: killed, cut off, interrupted, unanswered, and on two machines.

Whatever happens, each acknowledged event comes into the table once, and is shown once before and after.
"""

import json
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rybbit.store.clickhouse import ClickHouseStore
from rybbit.store.event import received_ms
from tests.faults.load import Load, load_on
from tests.faults.relay import Relay
from tests.faults.server import PATIENCE, Instance, Server, serving, wait_until
from tests.store.clickhouse_parts import SmallServer, clickhouse_store, drop_database

# Files are closed and shipped all the time, so that what goes wrong meets every state of them.
BUSY = {"RYBBIT_JOURNAL_FILE_SECONDS": "0.2", "RYBBIT_MOVE_SECONDS": "0.3"}
SHIPPED_MS = 2_000
THREADS = 4
WORKERS = 2
BATCHES = 4
READERS = 60
READING_AT_ONCE = 8
Answer = tuple[int, str, str]
ANSWERED = (200, "", "")
AWAY = (503, "2", "The event store (ClickHouse) does not answer")
SILENT = (503, "5", "The event store (ClickHouse) has not answered for some seconds")
INSERT = "INSERT INTO"
MARK = "(writer, number, events"


@dataclass(frozen=True)
class ClickHouse:
    """A server behind a relay; the store goes past the relay, and belongs to no machine."""

    server: SmallServer
    relay: Relay
    store: ClickHouseStore
    url: str

    @contextmanager
    def serving(self, instance: Instance, **settings: str) -> Iterator[Server]:
        """A server that has its events here."""
        environment = {"RYBBIT_EVENTS_URL": self.url, **settings}
        with serving(instance, workers=WORKERS, environment=environment) as server:
            yield server

    @contextmanager
    def killed(self) -> Iterator[None]:
        """It is not there for as long as the context lasts."""
        self.server.stop()
        yield
        self.server.start()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement that names `events` and `batches`."""
        tables = self.store._tables
        return self.store._server.rows(sql.format(events=tables.events, batches=tables.batches))

    def event_ids(self) -> list[str]:
        """The event id of every row of the table."""
        rows = self.rows("select id, event_id from {events}")
        assert len({row[0] for row in rows}) == len(rows), "two events have the same number"
        return [row[1] for row in rows]

    def statements(self, text: str) -> int:
        """How many statements with this text were sent so far."""
        return len([sql for sql in self.server.statements() if text in sql])


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[ClickHouse]:
    """A server of the test's own, which may be killed."""
    server = SmallServer(tmp_path / "clickhouse")
    relay = Relay("127.0.0.1", server.port)
    url = server.url(tmp_path)
    store = clickhouse_store(tmp_path / "beside", url)
    yield ClickHouse(server, relay, store, url.replace(f":{server.port}/", f":{relay.port}/"))
    drop_database(store)
    store.close()
    relay.close()
    server.stop()


def _load(site: Instance, *servers: Server) -> AbstractContextManager[Load]:
    return load_on(site, *(server.port for server in servers), threads=THREADS, pause=0.01)


def _check(clickhouse: ClickHouse, load: Load, *servers: Server, kills: int = 0) -> None:
    """All that was acknowledged is in the table once when it is shipped, and every machine shows it once.

    Beside that there is at most what was under way when servers were killed. One machine alone shows all at
    once, from its journal.
    """
    load.stop()
    counts = range(len(load.acknowledged), len(load.acknowledged) + kills * THREADS + 1)
    if len(servers) == 1:
        assert _pageviews(servers[0]) in counts
    for server in servers:
        wait_until(server.instance.is_moved, "the journal is shipped")
    stored = clickhouse.event_ids()
    load.check(stored)
    assert len(stored) in counts
    for server in servers:
        load.check(server.event_ids())
        assert _pageviews(server) == len(stored)


def _pageviews(server: Server) -> int:
    return int(server.get(f"/api/sites/{server.instance.site_id}/overview")["data"]["pageviews"])


def _ask(server: Server) -> Answer:
    """How a question is answered: the status, and if it is refused, when to ask again and why."""
    try:
        _pageviews(server)
    except urllib.error.HTTPError as error:
        with error as answer:
            return answer.code, answer.headers["Retry-After"], json.load(answer)["error"]
    return ANSWERED


def _health(server: Server) -> tuple[str, str]:
    health = server.get("/api/health")
    return health["status"], health["events"]


def test_killed_server(site: Instance, clickhouse: ClickHouse) -> None:
    with clickhouse.serving(site, **BUSY) as server, _load(site, server) as load:
        for _ in range(3):
            load.wait_for(150)
            server.kill_all()
            server.start()
        server.wait()
        load.wait_for(50)
        _check(clickhouse, load, server, kills=3)


def test_while_it_is_away(site: Instance, clickhouse: ClickHouse) -> None:
    """Who sends does not notice, who reads is told; the server is killed meanwhile, too."""
    with clickhouse.serving(site, **BUSY) as server, _load(site, server) as load:
        wait_until(clickhouse.event_ids, "events are shipped")
        with clickhouse.relay.cut():
            load.wait_for(300)
            assert (_ask(server), _health(server)) == (AWAY, ("degraded", "failing"))
            server.kill_all()
            server.start().wait()
            load.wait_for(300)
            assert (_ask(server), _health(server)) == (AWAY, ("degraded", "failing"))
        _check_promises(load, server)
        with clickhouse.killed():
            load.wait_for(300)
            assert (_ask(server), _health(server)) == (AWAY, ("degraded", "failing"))
        _check_promises(load, server)
        assert load.unavailable == 0
        _check(clickhouse, load, server, kills=1)


def _check_promises(load: Load, server: Server) -> None:
    promised = set(load.acknowledged)
    assert promised <= set(server.event_ids())
    assert _health(server) == ("ok", "ok")


def test_connections_break_in_the_middle_of_inserts(site: Instance, clickhouse: ClickHouse) -> None:
    """Half an insert arrives, or all of it without an answer; then everything is cut, again and again."""
    relay = clickhouse.relay
    with clickhouse.serving(site, **BUSY) as server, _load(site, server) as load:
        for text in (INSERT, MARK):
            torn = relay.torn
            relay.tear(text.encode(), times=3)
            wait_until(lambda torn=torn: relay.torn == torn + 3, f"{text} breaks")
            clickhouse.server.set_faults({"contains": text, "how": "lose", "times": 3})
            sent = clickhouse.statements(text)
            wait_until(lambda text=text, sent=sent: clickhouse.statements(text) >= sent + 4, "it is done")
        for _ in range(8):
            load.wait_for(50)
            with relay.cut():
                pass
        assert load.unavailable == 0
        _check(clickhouse, load, server)


def test_two_machines(site: Instance, clickhouse: ClickHouse, tmp_path: Path) -> None:
    """Each has a journal of its own; one is killed, and the way to the table breaks for both."""
    other = replace(site, folder=tmp_path / "other")
    shared = BUSY | {"RYBBIT_SQLALCHEMY_DATABASE_URI": f"sqlite:///{site.folder / 'rybbit.db'}"}
    with (
        clickhouse.serving(site, **shared) as first,
        clickhouse.serving(other, **shared) as second,
        _load(site, first, second) as load,
    ):
        load.wait_for(150)
        second.kill_all()
        clickhouse.relay.tear(INSERT.encode(), times=4)
        second.start().wait()
        with clickhouse.relay.cut():
            load.wait_for(150)
        load.wait_for(150)
        _check(clickhouse, load, first, second, kills=1)
        assert len(clickhouse.rows("select distinct writer from {batches}")) == 2


def test_while_it_answers_nobody(site: Instance, clickhouse: ClickHouse) -> None:
    """More people ask than there are threads, and none gets an answer: events come in all the same."""
    with clickhouse.serving(site, **BUSY) as server, _load(site, server) as load:
        wait_until(clickhouse.event_ids, "events are shipped")
        answers: list[Answer] = []
        readers = [threading.Thread(target=lambda: answers.append(_ask(server))) for _ in range(READERS)]
        with clickhouse.server.frozen():
            for reader in readers:
                reader.start()
            wait_until(lambda: len(answers) >= READERS - WORKERS * READING_AT_ONCE, "others are refused")
            load.wait_for(200)
            assert _health(server) == ("degraded", "failing")
            assert set(answers) == {SILENT}
        for reader in readers:
            reader.join(PATIENCE)
        assert (len(answers), set(answers)) == (READERS, {SILENT, ANSWERED})
        assert load.unavailable == 0
        _check(clickhouse, load, server)


def test_shipped_in_time_under_load(site: Instance, clickhouse: ClickHouse) -> None:
    """By the clocks of the servers: from the receipt of a batch's first event until all of it is in."""
    clickhouse.store._make_ready()
    # Which would leave each machine's last batch alone.
    clickhouse.rows("system stop merges {batches}")
    with (
        clickhouse.serving(site) as server,
        _load(site, server) as load,
    ):
        wait_until(
            lambda: clickhouse.rows("select count(*) from {batches}") >= [(BATCHES,)], "batches are in"
        )
        _check(clickhouse, load, server)
    rows = clickhouse.rows(
        "select toUnixTimestamp64Milli(finished), first from {batches} join"
        " (select batch_id, min(id) as first from {events} group by batch_id) as batch"
        " on batch_id = writer * 4294967296 + number"
    )
    assert len(rows) >= BATCHES
    assert [took for finished, first in rows if (took := finished - received_ms(first)) > SHIPPED_MS] == []
