"""The update of the city database, against a real server on this machine that behaves and misbehaves."""

import base64
import gzip
import io
import tarfile
import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest

from rybbit.errors import ConfigurationError, Unavailable
from rybbit.ingest import geo_update
from rybbit.ingest.geo import GeoDatabase
from rybbit.ingest.geo_update import update_database
from tests.ingest.geo_service import MEMBER, Service, archive_of, running_service
from tests.ingest.mmdb import city_record, encode_database, write_database

ACCOUNT, KEY = "123456", "licence:key_with-odd+signs"
AUTHORIZATION = "Basic " + base64.b64encode(f"{ACCOUNT}:{KEY}".encode()).decode()
NEW = encode_database({"203.0.113.0/24": city_record("GB", city="London")})
OLD = {"203.0.113.0/24": city_record("FR")}


@pytest.fixture
def service() -> Iterator[Service]:
    with running_service(Service()) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "geoip" / "city.mmdb"
    path.parent.mkdir()
    write_database(path, OLD)
    return path


def _update(service: Service, target: Path, **changes: Any) -> dict[str, object]:
    arguments = {
        "account_id": ACCOUNT,
        "licence_key": KEY,
        "target": target,
        "base_url": service.url,
        **changes,
    }
    return update_database(**arguments)


def _assert_untouched(target: Path) -> None:
    assert GeoDatabase(target).locate("203.0.113.1").country == "FR"
    assert list(target.parent.iterdir()) == [target]


def test_an_update_is_swapped_in_and_noticed(service: Service, target: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("rybbit.ingest.geo._CHECK_SECONDS", 0.0)
    service.offer(archive_of(("GeoLite2-City_20260101/LICENSE.txt", b"text"), (MEMBER, NEW)))
    reader = GeoDatabase(target)
    assert reader.locate("203.0.113.1").country == "FR"
    assert _update(service, target) == {
        "path": str(target),
        "database_type": "GeoLite2-City",
        "build_date": "2023-11-14",
        "ok": True,
        "error": "",
        "bytes": len(NEW),
    }
    assert reader.locate("203.0.113.1").city == "London"
    assert target.read_bytes() == NEW
    assert list(target.parent.iterdir()) == [target]
    assert {authorization for _, authorization in service.requests} == {AUTHORIZATION}


def test_the_old_file_is_whole_until_the_new_one_is(
    service: Service, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = target.read_bytes()
    steps: list[tuple[str, bytes]] = []
    real_sync, real_replace = geo_update._sync, Path.replace

    def sync(path: Path) -> None:
        real_sync(path)
        steps.append((f"sync {path.name}", target.read_bytes()))

    def replace(path: Path, to: Path) -> Path:
        assert (path.read_bytes(), to) == (NEW, target)
        steps.append(("replace", target.read_bytes()))
        return real_replace(path, to)

    monkeypatch.setattr(geo_update, "_sync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    service.offer(archive_of((MEMBER, NEW)))
    with target.open("rb") as reader:
        _update(service, target)
        assert reader.read() == old
    assert steps == [("sync database", old), ("replace", old), (f"sync {target.parent.name}", NEW)]


def test_the_first_update_makes_the_folder(service: Service, tmp_path: Path) -> None:
    service.offer(archive_of((MEMBER, NEW)), edition="GeoIP2-City")
    target = tmp_path / "not" / "yet" / "city.mmdb"
    _update(service, target, edition="GeoIP2-City", base_url=service.url + "/")
    assert target.read_bytes() == NEW


def test_the_storage_behind_a_redirect_does_not_see_the_key(service: Service, target: Path) -> None:
    service.offer(archive_of((MEMBER, NEW)))
    with running_service(Service()) as storage:
        for path, answer in list(service.answers.items()):
            storage.answers[path] = answer
            service.answers[path] = (302, {"Location": storage.url + path}, b"")
        _update(service, target)
        assert [authorization for _, authorization in storage.requests] == ["", ""]
    assert target.read_bytes() == NEW


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/x", "file:///etc/hostname", "https://127.0.0.1:1/x", "http://["]
)
def test_other_redirects_are_not_followed(service: Service, target: Path, location: str) -> None:
    path = "/geoip/databases/GeoLite2-City/download?suffix=tar.gz.sha256"
    service.answers[path] = (302, {"Location": location}, b"")
    with pytest.raises(Unavailable):
        _update(service, target)
    _assert_untouched(target)


def test_a_redirect_may_not_leave_encryption() -> None:
    handler = geo_update._SameSchemeRedirects()
    request = urllib.request.Request("https://example.com/x")
    arguments = (request, io.BytesIO(), 302, "Found", HTTPMessage())
    assert handler.redirect_request(*arguments, "http://example.com/y") is None
    followed = handler.redirect_request(*arguments, "https://example.com/y")
    assert followed is not None
    assert followed.full_url == "https://example.com/y"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ConfigurationError),
        (403, ConfigurationError),
        (404, ConfigurationError),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
@pytest.mark.parametrize("suffix", ["tar.gz", "tar.gz.sha256"])
def test_refusals(service: Service, target: Path, status: int, error: type[Exception], suffix: str) -> None:
    service.offer(archive_of((MEMBER, NEW)))
    service.answers[f"/geoip/databases/GeoLite2-City/download?suffix={suffix}"] = (status, {}, KEY.encode())
    with pytest.raises(error) as caught:
        _update(service, target)
    assert KEY not in str(caught.value)
    assert str(caught.value).endswith(".")
    _assert_untouched(target)


@pytest.mark.parametrize(
    "changes",
    [
        {"account_id": " "},
        {"licence_key": ""},
        {"edition": "../x"},
        {"edition": ""},
        {"base_url": "http://example.com"},
        {"base_url": "file:///etc"},
        {"base_url": "http://["},
        {"base_url": ""},
    ],
)
def test_wrong_settings(service: Service, target: Path, changes: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        _update(service, target, **changes)
    assert service.requests == []
    _assert_untouched(target)


@pytest.mark.parametrize("checksum", ["0" * 64, "", "abc", "x" * 5000, "é" * 64])
def test_the_checksum_must_be_there_and_right(service: Service, target: Path, checksum: str) -> None:
    service.offer(archive_of((MEMBER, NEW)), checksum=checksum)
    with pytest.raises(Unavailable):
        _update(service, target)
    _assert_untouched(target)


def test_a_download_that_breaks_off(service: Service, target: Path) -> None:
    archive = archive_of((MEMBER, NEW))
    service.offer(archive)
    path = "/geoip/databases/GeoLite2-City/download?suffix=tar.gz"
    service.answers[path] = (200, {"Content-Length": str(len(archive))}, archive[:-50])
    with pytest.raises(Unavailable):
        _update(service, target)
    _assert_untouched(target)


def test_a_server_that_is_not_there(target: Path) -> None:
    with running_service(Service()) as service:
        gone = Service(url=service.url)
    with pytest.raises(Unavailable, match="cannot be reached"):
        _update(gone, target)
    _assert_untouched(target)


def _make_link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/hostname", 0


def _make_hard_link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname, member.size = tarfile.LNKTYPE, "LICENSE.txt", 0


def _make_device(member: tarfile.TarInfo) -> None:
    member.type, member.size = tarfile.CHRTYPE, 0


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"no archive",
        gzip.compress(b""),
        gzip.compress(b"no tar" * 500),
        archive_of((MEMBER, NEW))[:-200],
        gzip.compress(gzip.decompress(archive_of((MEMBER, NEW)))[: 512 + len(NEW) // 2]),
        archive_of(),
        archive_of(("LICENSE.txt", b"text")),
        archive_of((MEMBER, b"")),
        archive_of((MEMBER, b"no database")),
        archive_of((MEMBER, NEW[: len(NEW) // 2])),
        archive_of(
            (MEMBER, encode_database({"203.0.113.0/24": city_record("GB")}, database_type="GeoLite2-ASN"))
        ),
        archive_of((MEMBER, encode_database({"203.0.113.0/24": {"country": {}}}))),
        archive_of((MEMBER, encode_database({"203.0.113.0/24": "text"}))),
        archive_of((MEMBER, NEW), change=_make_link),
        archive_of((MEMBER, NEW), change=_make_hard_link),
        archive_of((MEMBER, NEW), change=_make_device),
        archive_of(*((f"{number}.txt", b"") for number in range(500)), (MEMBER, NEW)),
    ],
)
def test_bad_archives_change_nothing(service: Service, target: Path, archive: bytes) -> None:
    service.offer(archive)
    with pytest.raises(Unavailable):
        _update(service, target)
    _assert_untouched(target)


def test_names_in_the_archive_lead_nowhere(service: Service, target: Path) -> None:
    service.offer(archive_of(("../../escaped.mmdb", NEW), ("/tmp/escaped.mmdb", NEW)))  # noqa: S108  # never used
    _update(service, target)
    assert target.read_bytes() == NEW
    assert not (target.parent.parent / "escaped.mmdb").exists()
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("limit", ["_LARGEST_DOWNLOAD", "_LARGEST_UNPACKED"])
def test_sizes_are_limited(service: Service, target: Path, monkeypatch: Any, limit: str) -> None:
    monkeypatch.setattr(geo_update, limit, 100)
    service.offer(archive_of((MEMBER, NEW)))
    with pytest.raises(Unavailable, match="larger than it can be"):
        _update(service, target)
    _assert_untouched(target)


def test_a_slow_server_meets_the_deadline(service: Service, target: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(geo_update, "_TOTAL_SECONDS", -1)
    service.offer(archive_of((MEMBER, NEW)))
    with pytest.raises(Unavailable, match="took too long"):
        _update(service, target)
    _assert_untouched(target)


def test_a_folder_that_cannot_be_written(service: Service, tmp_path: Path) -> None:
    service.offer(archive_of((MEMBER, NEW)))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be written"):
        _update(service, tmp_path / "file" / "city.mmdb")
