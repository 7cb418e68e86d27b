"""Erasing a visitor: exact, at once, and afterwards in no file of the instance, searched byte by byte."""

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from flask import Flask
from sqlalchemy import select

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.extensions import db
from rybbit.ingest.request import TrackRequest
from rybbit.ingest.visitor import hash_visitor
from rybbit.models import AuditEntry, Site
from rybbit.runtime import Runtime
from rybbit.services import audit
from rybbit.services.erasure import Receipt, erase_user
from rybbit.store import engines
from rybbit.store.clickhouse import ClickHouseStore
from rybbit.store.event import hash_of_hex
from tests.conftest import DATABASES, AppMaker
from tests.factories import make_site
from tests.store.clickhouse_parts import SmallServer, drop_database, stored
from tests.store.parts import NOON_MS, line

NAMES = ("erin.unique@example.org", 'Zoë "the" Müller')
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
TABLE = "ClickHouse's table"
# Where a visitor is before they are erased.
PLACES = {
    "lake": {"events", "events.visits", "journal", "receipts.spans", "unkept.db"},
    "clickhouse": {TABLE, "journal", "receipts.spans", "unkept.db"},
}
# ClickHouse with one control database: neither knows of the other.
on_both = pytest.mark.parametrize(
    ("engine", "database_uri"),
    [*(("lake", database) for database in DATABASES), ("clickhouse", "sqlite")],
    indirect=["database_uri"],
)


@pytest.fixture
def engine() -> str:
    """Where the events are: in the lake, unless the test is `on_both`."""
    return "lake"


@pytest.fixture
def events_url(engine: str, instance: Path, request: pytest.FixtureRequest) -> str:
    if engine == "lake":
        return ""
    server: SmallServer = request.getfixturevalue("small_server")
    server.set_faults()
    return server.url(instance)


@pytest.fixture
def app(events_url: str, make_app: AppMaker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    real = engines.lake_options
    # Files of a few events have no visits beside them otherwise.
    monkeypatch.setattr(engines, "lake_options", lambda config: replace(real(config), keep_visits_of=1))
    app = make_app(
        RYBBIT_ERASE_HOURS="0",
        RYBBIT_MOVE_SECONDS="0",
        RYBBIT_TRACK_RATE_LIMIT="",
        RYBBIT_EVENTS_URL=events_url,
    )
    yield app
    drop_database(app.extensions["rybbit"].store)
    app.extensions["rybbit"].store.close()


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    runtime: Runtime = app.extensions["rybbit"]
    runtime.journal_folder.create()
    return runtime


@pytest.fixture
def site(app: Flask) -> Iterator[Site]:
    with app.app_context():
        site = make_site()
        db.session.commit()
        yield site
        db.session.rollback()


def track(runtime: Runtime, site: Site, *, address: str = "203.0.113.9", **fields: Any) -> None:
    data = {"type": "pageview", "pathname": "/", **fields}
    assert runtime.pipeline.track(data, site=str(site.site_id), address=address, user_agent=FIREFOX)


def erase(runtime: Runtime, site: Site, user_id: str) -> Receipt:
    receipt = erase_user(site, user_id, store=runtime.store, deletion=runtime.deletion, erase_hours=0)
    db.session.commit()
    return receipt


def users(runtime: Runtime) -> list[str]:
    sql = "select coalesce(user_id, hex_id(user_hash)) from events order by id"
    return [row[0] for row in runtime.store.query(sql)]


def rewrite(runtime: Runtime) -> None:
    """What a server does within two hours, a minute later."""
    runtime.journal.close_file()
    runtime.mover.move_all()
    for path in runtime.tombstones.path.iterdir():
        fields = json.loads(path.read_text())
        path.write_text(json.dumps(fields | {"created_ms": fields["created_ms"] - 60_000}))
    runtime.store.rewrite()
    for path in runtime.tombstones.path.iterdir():
        fields = json.loads(path.read_text())
        path.write_text(json.dumps(fields | {"created_ms": fields["created_ms"] - 60_000}))
    runtime.store.rewrite()


def words_of(name: str, number: int) -> list[bytes]:
    """A visitor's name and number, whichever way they are written."""
    words = [f"{number & (2**64 - 1):016x}".encode(), str(number).encode(), struct.pack("<q", number)]
    for ascii_only in (True, False):
        once = json.dumps(name, ensure_ascii=ascii_only)[1:-1]
        # As text inside of text inside of JSON.
        twice = json.dumps(once, ensure_ascii=ascii_only)[1:-1]
        words += [name.encode(), once.encode(), twice.encode()]
    return words


def texts_of(rows: list[tuple[Any, ...]]) -> bytes:
    return "\n".join([repr(rows), *(str(value) for row in rows for value in row)]).encode()


def found_in(runtime: Runtime, name: str, number: int) -> list[str]:
    """The files of the instance that hold a visitor, and ClickHouse's table if one of its rows does."""
    folder = runtime.config.instance_path
    contents: dict[str, list[bytes]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        contents[str(path.relative_to(folder))] = texts = [path.read_bytes(), str(path).encode()]
        if path.suffix in (".parquet", ".visits"):
            texts.append(texts_of(duckdb.sql(f"select * from read_parquet('{path}')").fetchall()))
    if isinstance(runtime.store, ClickHouseStore):
        contents[TABLE] = [texts_of(stored(runtime, "*"))]
    words = words_of(name, number)
    return [
        place for place, texts in contents.items() if any(word in text for word in words for text in texts)
    ]


def refuse(runtime: Runtime, site: Site, user_id: str) -> None:
    """Send an event that is refused, and shown in the inspector."""
    body = {"site_id": str(site.site_id), "type": "nonsense", "user_id": user_id}
    data = json.dumps(body, ensure_ascii=False).encode()
    request = TrackRequest(data, "application/json", "", "", "", FIREFOX, "", "203.0.113.9")
    assert runtime.pipeline.receive(request).status == 400
    runtime.inspector.flush()


def leave_traces(runtime: Runtime, site: Site, name: str, number: int) -> None:
    """Have a visitor in every place that there is."""
    for place in range(3):
        track(runtime, site, user_id=name, event_id=f"own-{place}", pathname=f"/{place}")
        track(runtime, site, user_id="somebody else", event_id=f"other-{place}")
        runtime.journal.close_file()
        runtime.mover.move_all()
    runtime.store.rewrite()
    track(runtime, site, user_id=name)
    runtime.journal.close_file()
    track(
        runtime, site, user_id=name, properties=json.dumps({"me": name}), type="custom_event", event_name="x"
    )
    refuse(runtime, site, name)
    bad = {"user_hash": number, "site_id": site.site_id, "user_id": name, "timestamp": "never"}
    good = {"user_hash": 5, "site_id": site.site_id, "user_id": "somebody else", "timestamp": "never"}
    quarantine = runtime.journal_folder.quarantine / "1-1-a.jsonl"
    quarantine.write_text("".join(json.dumps(row) + "\n" for row in (bad, good)))


@on_both
@pytest.mark.parametrize("name", NAMES)
def test_no_file_of_the_instance_has_the_id_any_more(
    engine: str, name: str, runtime: Runtime, site: Site
) -> None:
    number = hash_visitor(site.secret, "user", name)
    leave_traces(runtime, site, name, number)
    places = {path.partition("/")[0] for path in found_in(runtime, name, number)}
    assert places >= PLACES[engine]
    known = runtime.receipts.path
    assert b"own-1" in b"".join(path.read_bytes() for path in known.parent.glob("receipts.db*"))

    receipt = erase(runtime, site, name)
    assert users(runtime) == ["somebody else"] * 3
    assert (receipt.events, receipt.sessions) == (5, 1)
    rewrite(runtime)
    runtime.stop()
    assert found_in(runtime, name, number) == []
    assert users(runtime) == ["somebody else"] * 3
    assert len((runtime.journal_folder.quarantine / "1-1-a.jsonl").read_bytes().splitlines()) == 1
    ids = b"".join(path.read_bytes() for path in known.parent.glob("receipts.db*"))
    assert b"own-1" not in ids
    assert b"other-1" in ids


@on_both
def test_a_visitor_without_a_name_goes_by_the_digits(runtime: Runtime, site: Site) -> None:
    track(runtime, site)
    track(runtime, site, address="203.0.113.10")
    one, other = users(runtime)
    receipt = erase(runtime, site, one)
    assert (receipt.events, users(runtime)) == (1, [other])
    rewrite(runtime)
    number = hash_of_hex(one)
    assert number is not None
    assert found_in(runtime, one, number) == []


@on_both
def test_a_name_that_was_brought_here_with_other_numbers_goes_too(runtime: Runtime, site: Site) -> None:
    name, numbers = NAMES[0], (-(2**62) - 1, 2**62 + 1)
    brought = [line(number, site.site_id, user_id=name) for number in numbers]
    other = line(2, site.site_id, user_id="somebody else")
    (runtime.journal_folder.path / "1-a.jsonl").write_bytes(b"".join([*brought, other]))
    runtime.mover.move_all()
    track(runtime, site, user_id=name)
    receipt = erase(runtime, site, name)
    assert (receipt.events, receipt.sessions, receipt.first_seen) == (3, 3, clock.from_ms(NOON_MS))
    assert users(runtime) == ["somebody else"]
    rewrite(runtime)
    for number in numbers:
        assert found_in(runtime, name, number) == []


@on_both
def test_the_receipt_tells_what_there_was(runtime: Runtime, site: Site) -> None:
    late = clock.now_ms() - 1_000
    early = late - 3 * 86_400_000
    track(runtime, site, user_id="ann", timestamp=early)
    runtime.journal.close_file()
    runtime.mover.move_all()
    track(runtime, site, user_id="ann", timestamp=late)
    track(runtime, site, user_id="bob")
    receipt = erase(runtime, site, "ann")
    assert (receipt.site_id, receipt.events, receipt.sessions) == (site.site_id, 2, 2)
    assert (receipt.first_seen, receipt.last_seen) == (clock.from_ms(early), clock.from_ms(late))
    assert receipt.requested_at >= clock.from_ms(late)
    assert (receipt.gone_from_disk_by - receipt.requested_at).total_seconds() == 3600
    again = erase(runtime, site, "ann")
    assert (again.events, again.sessions, again.first_seen, again.last_seen) == (0, 0, None, None)
    assert again.id != receipt.id


def test_the_audit_log_does_not_name_them(runtime: Runtime, site: Site) -> None:
    track(runtime, site, user_id="ann")
    receipt = erase(runtime, site, "ann")
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "site.user.erase")).one()
    assert audit.entries_of(site)[0].id == entry.id
    assert entry.target == receipt.id
    assert "ann" not in json.dumps(entry.changes)
    number = hash_visitor(site.secret, "user", "ann") & (2**64 - 1)
    assert f"{number:016x}" not in json.dumps(entry.changes)


@on_both
def test_who_comes_later_is_somebody_new(runtime: Runtime, site: Site) -> None:
    track(runtime, site, user_id="ann")
    erase(runtime, site, "ann")
    track(runtime, site, user_id="ann", pathname="/new")
    assert users(runtime) == ["ann"]
    rewrite(runtime)
    assert users(runtime) == ["ann"]


@on_both
def test_the_same_name_on_another_site_stays(runtime: Runtime, site: Site) -> None:
    other = make_site()
    db.session.commit()
    track(runtime, site, user_id="ann")
    track(runtime, other, user_id="ann")
    erase(runtime, site, "ann")
    rewrite(runtime)
    assert users(runtime) == ["ann"]


@pytest.mark.parametrize("user_id", ["", "a\0b", "\ud800"])
def test_an_id_that_nobody_has_is_refused(user_id: str, runtime: Runtime, site: Site) -> None:
    with pytest.raises(InvalidInput):
        erase(runtime, site, user_id)
