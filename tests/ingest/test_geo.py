"""Places of addresses, from databases that are missing, damaged and replaced while they are read."""

import logging
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from geoip2.database import Reader

from rybbit import clock
from rybbit.ingest import geo as geo_module
from rybbit.ingest.geo import GeoDatabase, Place
from tests.ingest.mmdb import city_record, encode_database, write_database

LONDON = city_record(
    "GB",
    city="London",
    region_code="ENG",
    region_name="England",
    latitude=51.5,
    longitude=-0.12,
    timezone="Europe/London",
)
# As the databases of DB-IP are: regions without codes, no time zones.
VIEW = city_record("US", city="Mountain View", region_name="California", latitude=37.42, longitude=-122.08)
RECORDS = {"203.0.113.0/24": LONDON, "198.51.100.0/25": VIEW, "2001:db8::/32": LONDON}
LONDON_PLACE = Place("GB", "GB-ENG", "London", 51.5, -0.12, "Europe/London")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "city.mmdb"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that moves the monotonic clock on by seconds."""
    shift = [0.0]
    real = clock.monotonic

    def move(seconds: float) -> None:
        shift[0] += seconds

    monkeypatch.setattr(clock, "monotonic", lambda: real() + shift[0])
    yield move


def _replace(path: Path, records: dict[str, Any], **options: Any) -> None:
    temporary = path.with_suffix(".new")
    write_database(temporary, records, **options)
    temporary.replace(path)


def test_places(path: Path) -> None:
    write_database(path, RECORDS)
    database = GeoDatabase(path)
    assert database.locate("203.0.113.77") == LONDON_PLACE
    assert database.locate("2001:db8:1::1") == LONDON_PLACE
    assert database.locate("::ffff:203.0.113.77") == LONDON_PLACE
    assert database.locate("198.51.100.1") == Place("US", "California", "Mountain View", 37.42, -122.08, "")


@pytest.mark.parametrize(
    "address",
    ["198.51.100.200", "10.0.0.1", "127.0.0.1", "::1", "fe80::1%eth0", "nonsense", "", "\0", "é" * 9999],
)
def test_unknown_addresses_have_an_empty_place(
    path: Path, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_database(path, RECORDS)
    assert GeoDatabase(path).locate(address) == Place()
    assert caplog.records == []


def test_an_ipv4_only_database_knows_no_ipv6(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_database(path, {"203.0.113.0/24": LONDON}, ip_version=4)
    database = GeoDatabase(path)
    assert database.locate("2001:db8::1") == Place()
    assert database.locate("203.0.113.1") == LONDON_PLACE
    assert caplog.records == []


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ({}, Place()),
        ({"country": {"iso_code": "de"}}, Place(country="DE")),
        ({"country": {"iso_code": 7}, "city": {"names": {"en": 8}}}, Place()),
        ({"city": {"names": {"fr": "Londres"}}}, Place()),
        ({"subdivisions": [{"iso_code": "BY"}]}, Place()),
        ({"country": {"iso_code": "DE"}, "subdivisions": [{"iso_code": "by"}, {"iso_code": "M"}]}, "DE-BY"),
        ({"location": {"latitude": 91.0, "longitude": -181.0}}, Place()),
        ({"location": {"latitude": float("nan"), "longitude": float("inf")}}, Place()),
        ({"location": {"latitude": 1, "longitude": True}}, Place(latitude=1.0)),
        ({"location": {"time_zone": ["UTC"]}}, Place()),
    ],
)
def test_odd_records_give_what_can_be_used_of_them(path: Path, record: object, place: Place | str) -> None:
    write_database(path, {"203.0.113.0/24": record})
    database = GeoDatabase(path)
    expected = Place(country="DE", region=place) if isinstance(place, str) else place
    assert database.locate("203.0.113.1") == expected
    assert database.describe()["ok"] is True


@pytest.mark.parametrize(
    "record", ["text", [1], {"country": "DE"}, {"subdivisions": 7}, {"city": {"names": 7}}]
)
def test_records_of_another_shape_are_damage(
    path: Path, record: object, caplog: pytest.LogCaptureFixture
) -> None:
    write_database(path, {"203.0.113.0/24": record, "198.51.100.0/24": LONDON})
    database = GeoDatabase(path)
    for address in ("203.0.113.1", "203.0.113.2", "203.0.113.1"):
        assert database.locate(address) == Place()
    assert database.locate("198.51.100.1") == LONDON_PLACE
    assert len(caplog.records) == 1
    assert "203.0.113" not in caplog.text
    assert database.describe()["ok"] is False


@pytest.mark.parametrize(
    "content",
    [b"", b"no database", b"\xab\xcd\xefMaxMind.com", encode_database(RECORDS)[:-40], b"\0" * 100_000],
)
def test_files_that_are_no_database(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(content)
    database = GeoDatabase(path)
    assert database.locate("203.0.113.1") == database.locate("198.51.100.1") == Place()
    assert [record.name for record in caplog.records] == ["rybbit.ingest.geo"]
    description = database.describe()
    assert description["ok"] is False
    assert description["error"]


def test_a_folder_and_a_database_of_something_else(path: Path, tmp_path: Path) -> None:
    write_database(path, {"203.0.113.0/24": LONDON}, database_type="GeoLite2-ASN")
    for odd in (tmp_path, path):
        database = GeoDatabase(odd)
        assert database.locate("203.0.113.1") == Place()
        assert database.describe()["ok"] is False
    assert "GeoLite2-ASN" in str(GeoDatabase(path).describe()["error"])


def test_no_damage_makes_it_raise(path: Path) -> None:
    whole = encode_database({**RECORDS, "192.0.2.0/24": VIEW})
    dice = random.Random(7)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 30)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(damaged[: dice.choice([len(damaged), dice.randrange(len(damaged))])])
        temporary.replace(path)
        database = GeoDatabase(path)
        for address in ("203.0.113.1", "198.51.100.1", "192.0.2.1", "2001:db8::1", "8.8.8.8"):
            assert isinstance(database.locate(address), Place)
        assert isinstance(database.describe()["ok"], bool)


def test_a_swapped_file_is_read_after_a_second(path: Path, later: Any) -> None:
    _replace(path, {"203.0.113.0/24": LONDON})
    database = GeoDatabase(path)
    assert database.locate("203.0.113.1").country == "GB"
    _replace(path, {"203.0.113.0/24": city_record("FR")}, build_epoch=1_600_000_000)
    assert database.locate("203.0.113.1").country == "GB"
    later(1.01)
    assert database.locate("203.0.113.1") == Place(country="FR")
    assert database.describe()["build_date"] == "2020-09-13"


def test_the_file_is_not_looked_at_more_than_once_a_second(
    path: Path, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_database(path, RECORDS)
    looks: list[Path] = []
    stat = Path.stat

    def counted(self: Path, **options: Any) -> os.stat_result:
        looks.append(self)
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", counted)
    database = GeoDatabase(path)
    for _ in range(50):
        database.locate("203.0.113.1")
        database.reload_if_changed()
    assert looks == [path]
    later(1.01)
    database.locate("203.0.113.1")
    assert looks == [path, path]


def test_an_unchanged_file_stays_open(path: Path, later: Any) -> None:
    write_database(path, RECORDS)
    database = GeoDatabase(path)
    first = database.locate("203.0.113.1")
    later(1.01)
    assert database.locate("203.0.113.1") is first


def test_nobody_waits_while_another_thread_reopens_the_file(path: Path, later: Any) -> None:
    write_database(path, RECORDS)
    database = GeoDatabase(path)
    database.locate("203.0.113.1")
    later(1.01)
    found: list[Place] = []
    with database._reload_lock:
        thread = threading.Thread(target=lambda: found.append(database.locate("203.0.113.1")), daemon=True)
        thread.start()
        thread.join(10)
        assert found == [LONDON_PLACE]


def test_damage_of_a_file_that_is_gone_is_not_reported(path: Path, later: Any) -> None:
    write_database(path, {"203.0.113.0/24": "text"})
    database = GeoDatabase(path)
    database.reload_if_changed()
    damaged = database._opened
    _replace(path, RECORDS)
    later(1.01)
    assert database.locate("203.0.113.1") == LONDON_PLACE
    database._note_damage(damaged, ValueError("from a thread that was slow"))
    assert database.describe()["ok"] is True


def test_each_change_of_state_is_logged_once(
    path: Path, later: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    database = GeoDatabase(path)

    def ask() -> list[str]:
        caplog.clear()
        for _ in range(3):
            later(1.01)
            database.locate("203.0.113.1")
        return [record.levelname for record in caplog.records]

    assert ask() == ["WARNING"]
    assert database.describe()["error"] == "the file is missing"
    assert ask() == []
    write_database(path, RECORDS)
    assert ask() == ["INFO"]
    assert database.locate("203.0.113.1") == LONDON_PLACE
    path.unlink()
    assert ask() == ["WARNING"]
    assert database.locate("203.0.113.1") == Place()
    path.write_bytes(b"no database")
    assert ask() == ["WARNING"]
    _replace(path, RECORDS)
    assert ask() == ["INFO"]


def test_the_first_file_that_exists_counts(tmp_path: Path, later: Any) -> None:
    downloaded, shipped = tmp_path / "downloaded.mmdb", tmp_path / "shipped.mmdb"
    write_database(shipped, {"203.0.113.0/24": city_record("FR")})
    database = GeoDatabase(downloaded, shipped)
    assert database.locate("203.0.113.1").country == "FR"
    _replace(downloaded, {"203.0.113.0/24": LONDON})
    later(1.01)
    assert database.locate("203.0.113.1").country == "GB"
    assert database.describe()["path"] == str(downloaded)
    downloaded.unlink()
    later(1.01)
    assert database.locate("203.0.113.1").country == "FR"


def test_describe(path: Path) -> None:
    write_database(path, RECORDS, database_type="DBIP-City-Lite")
    assert GeoDatabase(path).describe() == {
        "path": str(path),
        "database_type": "DBIP-City-Lite",
        "build_date": "2023-11-14",
        "ok": True,
        "error": "",
    }


def test_threads_ask_while_the_file_is_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rybbit.ingest.geo._CHECK_SECONDS", 0.0)
    _replace(path, {"203.0.113.0/24": LONDON})
    database = GeoDatabase(path)
    database.locate("203.0.113.1")
    stop = threading.Event()
    seen: set[str] = set()

    def ask() -> None:
        while not stop.is_set():
            seen.add(database.locate("203.0.113.1").country)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        _replace(path, {"203.0.113.0/24": city_record("FR" if number % 2 else "GB")})
    stop.set()
    for thread in threads:
        thread.join()
    assert seen <= {"GB", "FR"}
    assert "GB" in seen


# Other tests' threads may be there; the child runs none of their code.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_can_reload_although_a_thread_held_the_lock(path: Path, later: Any) -> None:
    write_database(path, {"203.0.113.0/24": LONDON})
    database = GeoDatabase(path)
    database.locate("203.0.113.1")
    _replace(path, {"203.0.113.0/24": city_record("FR")})
    later(1.01)
    with database._reload_lock:
        child = os.fork()
        if child == 0:
            found = ""
            try:
                found = database.locate("203.0.113.1").country
            finally:
                os._exit(0 if found == "FR" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_look_ups_are_remembered_and_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look_up(reader: Reader, address: str) -> Place:
        asked.append(address)
        return original(reader, address)

    original = geo_module.look_up
    monkeypatch.setattr(geo_module, "look_up", look_up)
    monkeypatch.setattr(geo_module, "_CACHE_SIZE", 100)
    write_database(path, {"10.0.0.0/8": LONDON})
    database = GeoDatabase(path)
    first = database.locate("10.0.0.1")
    assert database.locate("10.0.0.1") is first
    assert asked == ["10.0.0.1"]
    others = [f"10.1.0.{number}" for number in range(100)]
    assert {id(database.locate(address)) for address in others} == {id(first)}
    assert database.locate("10.0.0.1") == first
    assert asked == ["10.0.0.1", *others, "10.0.0.1"]
