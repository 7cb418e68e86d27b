"""The update of the city database, against a real server on this machine that behaves and misbehaves."""

import base64
import gzip
import hashlib
import io
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rybbit.errors import ConfigurationError, Unavailable
from rybbit.ingest import geo_update
from rybbit.ingest.geo import GeoDatabase
from rybbit.ingest.geo_update import update_database
from tests.ingest.mmdb import city_record, encode_database, write_database

ACCOUNT, KEY = "123456", "licence:key_with-odd+signs"
AUTHORIZATION = "Basic " + base64.b64encode(f"{ACCOUNT}:{KEY}".encode()).decode()
NEW = encode_database({"203.0.113.0/24": city_record("GB", city="London")})
OLD = {"203.0.113.0/24": city_record("FR")}
MEMBER = "GeoLite2-City_20260101/GeoLite2-City.mmdb"


@dataclass
class Service:
    """What the server answers by path, and what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def offer(self, archive: bytes, *, checksum: str | None = None, edition: str = "GeoLite2-City") -> None:
        """Serve an archive with its checksum, or with another one."""
        path = f"/geoip/databases/{edition}/download?suffix=tar.gz"
        digest = hashlib.sha256(archive).hexdigest() if checksum is None else checksum
        self.answers[path] = (200, {}, archive)
        self.answers[path + ".sha256"] = (200, {}, f"{digest}  {edition}_20260101.tar.gz\n".encode())


@contextmanager
def _running(service: Service) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.requests.append((self.path, self.headers.get("Authorization", "")))
            status, headers, body = service.answers.get(self.path, (404, {}, b"nothing here"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    with _running(Service()) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "geoip" / "city.mmdb"
    path.parent.mkdir()
    write_database(path, OLD)
    return path


def _archive(*members: tuple[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if change is not None:
                change(member)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


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
    service.offer(_archive(("GeoLite2-City_20260101/LICENSE.txt", b"text"), (MEMBER, NEW)))
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


def test_the_first_update_makes_the_folder(service: Service, tmp_path: Path) -> None:
    service.offer(_archive((MEMBER, NEW)), edition="GeoIP2-City")
    target = tmp_path / "not" / "yet" / "city.mmdb"
    _update(service, target, edition="GeoIP2-City", base_url=service.url + "/")
    assert target.read_bytes() == NEW


def test_the_storage_behind_a_redirect_does_not_see_the_key(service: Service, target: Path) -> None:
    service.offer(_archive((MEMBER, NEW)))
    with _running(Service()) as storage:
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
    service.offer(_archive((MEMBER, NEW)))
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
    service.offer(_archive((MEMBER, NEW)), checksum=checksum)
    with pytest.raises(Unavailable):
        _update(service, target)
    _assert_untouched(target)


def test_a_download_that_breaks_off(service: Service, target: Path) -> None:
    archive = _archive((MEMBER, NEW))
    service.offer(archive)
    path = "/geoip/databases/GeoLite2-City/download?suffix=tar.gz"
    service.answers[path] = (200, {"Content-Length": str(len(archive))}, archive[:-50])
    with pytest.raises(Unavailable):
        _update(service, target)
    _assert_untouched(target)


def test_a_server_that_is_not_there(target: Path) -> None:
    with _running(Service()) as service:
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
        _archive((MEMBER, NEW))[:-200],
        gzip.compress(gzip.decompress(_archive((MEMBER, NEW)))[: 512 + len(NEW) // 2]),
        _archive(),
        _archive(("LICENSE.txt", b"text")),
        _archive((MEMBER, b"")),
        _archive((MEMBER, b"no database")),
        _archive((MEMBER, NEW[: len(NEW) // 2])),
        _archive(
            (MEMBER, encode_database({"203.0.113.0/24": city_record("GB")}, database_type="GeoLite2-ASN"))
        ),
        _archive((MEMBER, encode_database({"203.0.113.0/24": {"country": {}}}))),
        _archive((MEMBER, encode_database({"203.0.113.0/24": "text"}))),
        _archive((MEMBER, NEW), change=_make_link),
        _archive((MEMBER, NEW), change=_make_hard_link),
        _archive((MEMBER, NEW), change=_make_device),
        _archive(*((f"{number}.txt", b"") for number in range(500)), (MEMBER, NEW)),
    ],
)
def test_bad_archives_change_nothing(service: Service, target: Path, archive: bytes) -> None:
    service.offer(archive)
    with pytest.raises(Unavailable):
        _update(service, target)
    _assert_untouched(target)


def test_names_in_the_archive_lead_nowhere(service: Service, target: Path) -> None:
    service.offer(_archive(("../../escaped.mmdb", NEW), ("/tmp/escaped.mmdb", NEW)))  # noqa: S108  # never used
    _update(service, target)
    assert target.read_bytes() == NEW
    assert not (target.parent.parent / "escaped.mmdb").exists()
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("limit", ["_LARGEST_DOWNLOAD", "_LARGEST_UNPACKED"])
def test_sizes_are_limited(service: Service, target: Path, monkeypatch: Any, limit: str) -> None:
    monkeypatch.setattr(geo_update, limit, 100)
    service.offer(_archive((MEMBER, NEW)))
    with pytest.raises(Unavailable, match="larger than it can be"):
        _update(service, target)
    _assert_untouched(target)


def test_a_slow_server_meets_the_deadline(service: Service, target: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(geo_update, "_TOTAL_SECONDS", -1)
    service.offer(_archive((MEMBER, NEW)))
    with pytest.raises(Unavailable, match="took too long"):
        _update(service, target)
    _assert_untouched(target)


def test_a_folder_that_cannot_be_written(service: Service, tmp_path: Path) -> None:
    service.offer(_archive((MEMBER, NEW)))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be written"):
        _update(service, tmp_path / "file" / "city.mmdb")
