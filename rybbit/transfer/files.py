"""Files that can be imported, told apart by what is in them."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from rybbit.ingest.directory import TrackedSite
from rybbit.transfer.plausible import PlausibleExport
from rybbit.transfer.rows import Columns, NoExport, Row, Source, own_columns
from rybbit.transfer.tables import parquet_columns, parquet_rows
from rybbit.transfer.umami import UMAMI_COLUMNS, UmamiExport

FORMATS = ("jsonl", "parquet", "umami", "plausible")
_LONGEST_LINE = 1024 * 1024
_NEEDED = {"timestamp", "type", "visitor_id"}
_KNOWN = "JSON lines or Parquet of `rybbit export`, a CSV export of Umami, or the zip of a Plausible export"


class JsonLines:
    """JSON lines of our own export."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def rows(self) -> Iterator[Row]:
        """See `Source.rows`."""
        done = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
                done += len(line)
                if line.strip():
                    yield _read_line(f"line {number}", done, line)

    def columns(self, fields: Mapping[str, Any], site: TrackedSite, now_ms: int) -> Columns:
        """See `Source.columns`."""
        return own_columns(fields, site, now_ms)


def _read_line(place: str, done: int, line: bytes) -> Row:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return Row(place, done, {}, "is no JSON")
    return Row(place, done, fields) if isinstance(fields, dict) else Row(place, done, {}, "is no JSON object")


class OwnParquet:
    """Parquet of our own export."""

    def __init__(self, path: Path) -> None:
        self._path = path
        names, self.size = parquet_columns(path)
        if missing := sorted(_NEEDED - set(names)):
            raise NoExport(f"This Parquet file is no export of events: it has no {', '.join(missing)}")

    def rows(self) -> Iterator[Row]:
        """See `Source.rows`."""
        for number, fields in enumerate(parquet_rows(self._path), 1):
            yield Row(f"row {number}", number, fields)

    def columns(self, fields: Mapping[str, Any], site: TrackedSite, now_ms: int) -> Columns:
        """See `Source.columns`."""
        return own_columns(fields, site, now_ms)


def open_export(path: Path, form: str, zone: ZoneInfo) -> Source:
    """The file as what it is; `form` is one of `FORMATS`, or `auto`.

    Raises:
        NoExport: it is no file that can be imported, or not of this format.
    """
    found = _recognise(path)
    if not found and form == "jsonl":
        # The first line may be as damaged as any other.
        found = form
    if form not in ("auto", found):
        raise NoExport(f"{path.name} is no {form} export" + (f", but looks like {found}" if found else ""))
    if found == "jsonl":
        return JsonLines(path)
    if found == "parquet":
        return OwnParquet(path)
    if found == "umami":
        return UmamiExport(path, zone)
    if found == "plausible":
        return PlausibleExport(path, zone)
    raise NoExport(f"{path.name} is nothing that can be imported: {_KNOWN}")


def _recognise(path: Path) -> str:
    """The format of a file, "" for an unknown one."""
    with path.open("rb") as file:
        start = file.read(4)
        if start == b"PAR1":
            return "parquet"
        if start == b"PK\x03\x04":
            return _recognise_zip(path)
        file.seek(0)
        return _recognise_text(file)


def _recognise_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [Path(name).name for name in archive.namelist()]
    except zipfile.BadZipFile:
        return ""
    if any(name.startswith("imported_visitors") for name in names):
        return "plausible"
    return "umami" if "website_event.csv" in names else ""


def _recognise_text(file: IO[bytes]) -> str:
    line = file.readline(_LONGEST_LINE)
    if line.lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
        row = _read_line("", 0, line)
        return "jsonl" if not row.problem and set(row.fields) >= _NEEDED else ""
    header = next(csv.reader(io.StringIO(line.decode("utf-8-sig", "replace"))), [])
    return "umami" if set(header) >= UMAMI_COLUMNS else ""
