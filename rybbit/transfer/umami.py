"""Umami's CSV export: the table `website_event`, a row an event.

A visitor is what Umami calls a session, which is the same person for a month. Visits are made anew by our
own rule. What events carry as data lies in another table, which is not imported.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from rybbit import clock
from rybbit.ingest.directory import TrackedSite
from rybbit.ingest.visitor import hash_visitor
from rybbit.transfer.rows import BadRow, Columns, Row, event_columns

UMAMI_COLUMNS = {"website_id", "session_id", "created_at", "url_path", "event_type"}
"""What tells it from other files."""

_TABLE = "website_event.csv"
_BROWSERS = {
    "chrome": "Chrome",
    "chromium-webview": "Chrome WebView",
    "crios": "Mobile Chrome",
    "edge": "Edge",
    "edge-chromium": "Edge",
    "edge-ios": "Edge",
    "firefox": "Firefox",
    "fxios": "Mobile Firefox",
    "ie": "IE",
    "ios": "Mobile Safari",
    "ios-webview": "WebKit",
    "opera": "Opera",
    "opera-mini": "Opera Mini",
    "safari": "Safari",
    "samsung": "Samsung Internet",
}
_SYSTEMS = {"Mac OS": "macOS", "Android OS": "Android", "Chrome OS": "Chrome OS"}
_DEVICES = {"desktop": "Desktop", "laptop": "Desktop", "mobile": "Mobile", "tablet": "Tablet"}
_TYPES = {"": "pageview", "1": "pageview", "2": "custom_event"}
_TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
# Larger fields are no URL and no title.
csv.field_size_limit(1024 * 1024)


class UmamiExport:
    """A CSV file, or a zip that has it; moments without an offset are those of `zone`."""

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        self._path = path
        self._zone = zone
        with self._opened() as (_, size):
            self.size = size

    @contextmanager
    def _opened(self) -> Iterator[tuple[IO[bytes], int]]:
        if not zipfile.is_zipfile(self._path):
            with self._path.open("rb") as file:
                yield file, self._path.stat().st_size
            return
        with zipfile.ZipFile(self._path) as archive:
            name = next(name for name in archive.namelist() if Path(name).name == _TABLE)
            with archive.open(name) as file:
                yield file, archive.getinfo(name).file_size

    def rows(self) -> Iterator[Row]:
        """See `Source.rows`."""
        with self._opened() as (file, _), io.TextIOWrapper(file, "utf-8-sig", "replace", newline="") as text:
            reader = csv.reader(text)
            header = next(reader, [])
            yield from self._read(reader, header, file)

    def _read(self, reader: Any, header: list[str], file: IO[bytes]) -> Iterator[Row]:
        while True:
            place = f"line {reader.line_num + 1}"
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield Row(place, file.tell(), {}, "is no CSV")
                continue
            if len(cells) == len(header):
                yield Row(place, file.tell(), dict(zip(header, cells, strict=True)))
            elif cells:
                yield Row(place, file.tell(), {}, f"has {len(cells)} cells in place of {len(header)}")

    def columns(self, fields: Mapping[str, Any], site: TrackedSite, now_ms: int) -> Columns:
        """See `Source.columns`."""
        given = {name: value for name, value in fields.items() if value not in ("", "\\N")}
        visitor = given.get("session_id")
        user_hash = None if visitor is None else hash_visitor(site.secret, "umami", visitor)
        return event_columns(self._renamed(given), site, user_hash=user_hash, now_ms=now_ms)

    def _renamed(self, given: Mapping[str, str]) -> dict[str, Any]:
        kind = _TYPES.get(given.get("event_type", ""))
        if kind is None:
            raise BadRow("event_type: Neither a pageview (1) nor an event (2)")
        if "url_path" not in given:
            raise BadRow("url_path: Required")
        query = given.get("url_query", "")
        return {
            "type": kind,
            "timestamp": self._moment(given.get("created_at", "")),
            "user_id": given.get("distinct_id"),
            "event_name": given.get("event_name") if kind == "custom_event" else None,
            "hostname": given.get("hostname"),
            "pathname": given["url_path"],
            "querystring": f"?{query.removeprefix('?')}" if query else None,
            "page_title": given.get("page_title"),
            "referrer": _referrer(given),
            "language": given.get("language"),
            **{name: given.get(name) for name in _TAGS},
            **_device(given),
            **_place(given),
        }

    def _moment(self, text: str) -> int:
        try:
            moment = datetime.fromisoformat(text)
            return clock.to_ms(moment if moment.tzinfo else moment.replace(tzinfo=self._zone))
        except (ValueError, OverflowError) as error:
            raise BadRow("created_at: Expected a time such as 2026-01-31 23:59:59") from error


def _referrer(given: Mapping[str, str]) -> str | None:
    domain = given.get("referrer_domain")
    if domain is None:
        return None
    query = given.get("referrer_query", "")
    path = given.get("referrer_path", "/")
    return f"https://{domain}{path}" + (f"?{query.removeprefix('?')}" if query else "")


def _device(given: Mapping[str, str]) -> dict[str, Any]:
    browser = given.get("browser", "")
    system, version = given.get("os", ""), ""
    if system.startswith("Windows "):
        system, _, version = system.partition(" ")
    width, _, height = given.get("screen", "").partition("x")
    is_size = all(side.isascii() and side.isdigit() and 0 < len(side) < 6 for side in (width, height))
    return {
        "browser": _BROWSERS.get(browser, browser.capitalize() if browser.islower() else browser),
        "operating_system": _SYSTEMS.get(system, system),
        "operating_system_version": version,
        "device_type": _DEVICES.get(given.get("device", ""), ""),
        "screen_width": int(width) if is_size else None,
        "screen_height": int(height) if is_size else None,
    }


def _place(given: Mapping[str, str]) -> dict[str, Any]:
    country = given.get("country", "")
    region = given.get("region") or given.get("subdivision1") or ""
    if region and "-" not in region and country:
        region = f"{country}-{region}"
    return {"country": country, "region": region, "city": given.get("city", "")}
