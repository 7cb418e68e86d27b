"""Plausible's CSV export: a zip of daily figures, from which visits are made that add up to the same.

What holds for each day afterwards, as far as the figures agree with each other:

- as many visitors, visits, pageviews and bounces as in `imported_visitors`, and visits as long together;
- each page as often as in `imported_pages`, each entry page as in `imported_entry_pages`;
- each source with its tags, browser, system, kind of device and region as often as in their tables, but by
  visits, and independently of each other: that people from Berlin used Firefox is not in the figures;
- events of one's own and clicks on links as often as in `imported_custom_events`.

What cannot hold: nobody is known from one day to the next, so that visitors of longer times are the sum of
their days; hours of the day, exit pages, and cities (which are numbers there) are lost; and where there are
fewer pageviews than visits, there are only as many visits as pageviews.
"""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rybbit.ingest.directory import TrackedSite
from rybbit.ingest.visitor import hash_visitor
from rybbit.transfer.plausible_days import COUNTED, Day, DayTable, made_events
from rybbit.transfer.rows import Columns, NoExport, Row, event_columns

_NEEDED = ("visitors", "pages")


class PlausibleExport:
    """The zip; days are those of `zone`."""

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        self._zone = zone
        self._problems: list[Row] = []
        self._days: dict[date, dict[str, DayTable]] = defaultdict(lambda: defaultdict(list))
        with zipfile.ZipFile(path) as archive:
            found = {name: _table_of(name) for name in sorted(archive.namelist())}
            if missing := [name for name in _NEEDED if name not in found.values()]:
                raise NoExport(f"{path.name} has no imported_{missing[0]} table")
            for name, table in found.items():
                if table in COUNTED:
                    self._read(Path(name).name, table, archive.read(name))
        self.size = len(self._days)

    def _read(self, name: str, table: str, data: bytes) -> None:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
        for row in reader:
            place = f"{name} line {reader.line_num}"
            try:
                day = date.fromisoformat(str(row.get("date")))
                counts = {key: _count(row.get(key)) for key in COUNTED[table]}
            except ValueError:
                self._problems.append(Row(place, 0, {}, "date or a count is missing, or is none"))
                continue
            texts = {
                key: value or "" for key, value in row.items() if isinstance(value, str) or value is None
            }
            self._days[day][table].append((texts, counts))

    def rows(self) -> Iterator[Row]:
        """See `Source.rows`: bad lines of the tables first, then events that were made, day by day."""
        yield from self._problems
        for number, day in enumerate(sorted(self._days), 1):
            start, end = (_midnight(day + timedelta(days=ahead), self._zone) for ahead in (0, 1))
            for count, fields in enumerate(made_events(Day(day, start, end, self._days[day])), 1):
                yield Row(f"{day} event {count}", number, fields)

    def columns(self, fields: Mapping[str, Any], site: TrackedSite, now_ms: int) -> Columns:
        """See `Source.columns`."""
        user_hash = hash_visitor(site.secret, "plausible", str(fields["visitor"]))
        given = {"hostname": site.domain, **{name: value for name, value in fields.items() if value}}
        return event_columns(given, site, user_hash=user_hash, now_ms=now_ms)


def _table_of(name: str) -> str:
    """Which table a file holds: `pages` for `imported_pages_20230101_20231231.csv`; "" for none."""
    stem = Path(name).name.removeprefix("imported_")
    if stem == Path(name).name or not name.endswith(".csv"):
        return ""
    # The longest first: custom_events is not events.
    return next(
        (table for table in COUNTED if stem.startswith((f"{table}_2", f"{table}_1", f"{table}.csv"))), ""
    )


def _count(text: str | None) -> int:
    number = int(text or "")
    if number < 0:
        raise ValueError(text)
    return number


def _midnight(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)
