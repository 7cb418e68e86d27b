"""What the server leans on fails: the control database, the geo database, the clock."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from rybbit.config import load_config
from tests.faults.load import Sender, load_on, query_folder, stored_ids
from tests.faults.server import SERVE, Instance, Server, running, serving, wait_for_batches, wait_until
from tests.ingest.geo_service import MEMBER, Service, archive_of, running_service
from tests.ingest.mmdb import city_record, encode_database, write_database

SUCCESS = (200, {"success": True})
BUSY = {"RYBBIT_JOURNAL_FILE_SECONDS": "0.3", "RYBBIT_MOVE_SECONDS": "0.5"}
HOUR_MS = 60 * 60 * 1000


@contextmanager
def _locked(site: Instance) -> Iterator[None]:
    """The control database held by somebody who writes and does not end."""
    with closing(sqlite3.connect(site.folder / "rybbit.db", isolation_level=None, timeout=10)) as connection:
        connection.execute("begin exclusive")
        yield
        connection.execute("rollback")


def test_database_locked(site: Instance) -> None:
    """Events come in all the while; counts wait, the log tells of it, and they are written in the end."""
    with serving(site, environment=BUSY) as server, load_on(site, server.port) as load:
        load.sent.add("double")
        load.wait_for(50)
        sender = Sender(site, server.port)
        with _locked(site):
            told = server.log().count("locked")
            assert [sender.track("double") for _ in range(20)] == [SUCCESS] * 20
            wait_until(lambda: server.log().count("locked") > told, "the log tells of the lock")
            load.wait_for(100)
        sender.close()
        wait_until(lambda: _count(server, "duplicate") == 19, "the doubles are counted")
        with _locked(site):
            load.wait_for(50)
            assert load.unavailable == 0
            promised = set(load.acknowledged)
            assert promised <= set(server.event_ids())
            assert server.stop() == 0
        load.stop()
        assert list(site.journal.glob("*.open")) == []
    load.check(stored_ids(site))


def _count(server: Server, reason: str) -> int:
    rows = server.get(f"/api/sites/{server.instance.site_id}/drops")["data"]
    return sum(row["count"] for row in rows if row["reason"] == reason)


def test_geo_database_unusable(site: Instance, tmp_path: Path) -> None:
    """Events come in without a place, and the log tells each fault once, not with every event."""
    path = tmp_path / "city.mmdb"
    environment = {"RYBBIT_GEOIP_DATABASE": str(path)}
    with serving(site, workers=1, environment=environment) as server:
        sender = Sender(site, server.port)
        sent = 0
        spoils = (lambda: None, lambda: path.write_bytes(b"garbage" * 5000), path.unlink, path.mkdir)
        for told, spoil in enumerate(spoils, start=1):
            spoil()
            while _geo_complaints(server) < told or sent % 10:
                assert sender.track(f"event-{sent}", ip_address="8.8.8.8") == SUCCESS
                sent += 1
                assert sent < 5000, "the log tells nothing"
                time.sleep(0.02)
        sender.close()
        assert len(server.event_ids()) == sent
        assert _geo_complaints(server) == 4
        assert "Traceback" not in server.log()


def test_geo_database_replaced(site: Instance) -> None:
    """`rybbit geoip update` beside a running server: each worker takes the new file up by itself."""
    database = load_config({"RYBBIT_INSTANCE_PATH": str(site.folder)}).downloaded_geo_database
    database.parent.mkdir()
    write_database(database, {"203.0.113.0/24": city_record("FR")})
    with serving(site) as server:
        pids = set(server.worker_pids())
        # Over connections of their own, so that both workers answer some.
        assert {_country(server, f"before-{number}") for number in range(8)} == {"FR"}
        _update_geo_database(site, encode_database({"203.0.113.0/24": city_record("GB", city="London")}))
        numbers = count()

        def all_are_new() -> bool:
            return {_country(server, f"after-{next(numbers)}") for _ in range(8)} == {"GB"}

        wait_until(all_are_new, "events get their places from the new database")
        assert set(server.worker_pids()) == pids


def _country(server: Server, event_id: str) -> str:
    """The country that an event which is sent now is stored with."""
    sender = Sender(server.instance, server.port)
    assert sender.track(event_id, ip_address="203.0.113.9") == SUCCESS
    sender.close()
    events = server.get(f"/api/sites/{server.instance.site_id}/events?page_size=10")["data"]
    (country,) = [event["country"] for event in events if event["event_id"] == event_id]
    return str(country)


def _update_geo_database(site: Instance, database: bytes) -> None:
    settings = {
        "RYBBIT_INSTANCE_PATH": str(site.folder),
        "RYBBIT_GEOIP_ACCOUNT_ID": "1",
        "RYBBIT_GEOIP_LICENSE_KEY": "key",
    }
    with running_service(Service()) as service:
        service.offer(archive_of((MEMBER, database)))
        command = [sys.executable, "-m", "rybbit", "geoip", "update", "--base-url", service.url]
        subprocess.run(command, env=os.environ | settings, check=True, capture_output=True)


def _geo_complaints(server: Server) -> int:
    return server.log().count(f"geo database {server.instance.folder.with_name('city.mmdb')}")


def test_clock_steps(site: Instance, tmp_path: Path) -> None:
    """Back by hours, ahead by a day, and back again under load: nothing is lost, ids stay unique."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    arguments = (str(Path(__file__).with_name("stepped_clock.py")), str(offset), *SERVE[2:])
    with running(Server(site, environment=BUSY, arguments=arguments)) as server:
        with load_on(site, server.port) as load:
            load.wait_for(100)
            known = sorted(load.acknowledged)[:20]
            for hours in (-3, 25, -27):
                _write_at_once(offset, str(hours * HOUR_MS))
                load.wait_for(100)
                wait_for_batches(site, 2)
            assert "s behind the last receipt" in server.log()
            server.kill_all()
            server.start().wait()
            load.wait_for(100)
        sender = Sender(site, server.port)
        assert [sender.track(event_id) for event_id in known] == [SUCCESS] * 20
        sender.close()
        load.check(server.event_ids())
        assert server.stop() == 0
    load.check(stored_ids(site))
    shared = "select session_id from events group by session_id having count(distinct user_hash) > 1"
    assert query_folder(site, shared) == []


def _write_at_once(path: Path, text: str) -> None:
    """Replace a file that others read at any moment."""
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(path)
