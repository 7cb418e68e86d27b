"""For how long the events of each site are kept: what every reader obeys at once, without a database.

A small file has the days of each site that has a limit. What is older than that can be neither read nor
stored; once a day a tombstone for each such site has it taken off the disk as well.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from rybbit import clock
from rybbit.locks import FileLock
from rybbit.store.base import EVERYTHING, Scope
from rybbit.store.journal_files import replace_file

_DAY_MS = 86_400_000

_Stamp = tuple[int, int, int]


class Retention:
    """The file in a folder; safe for threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "retention"
        self._lock = FileLock(folder / "retention.lock")
        self._read: tuple[_Stamp | None, dict[str, dict[int, int]]] = (None, {})

    def exists(self) -> bool:
        """Whether any site ever had a limit."""
        return self._path.exists()

    def condition(self, scope: Scope = EVERYTHING) -> str:
        """The SQL condition of what is too old of a scope, in words of every engine; "" if nothing is."""
        now_ms = clock.now_ms()
        sites = defaultdict(list)
        for site_id, days in self._state()["days"].items():
            if scope.may_be_before(site_id, now_ms - days * _DAY_MS):
                sites[days].append(site_id)
        return " or ".join(
            f"(site_id in ({', '.join(f'{site_id:d}' for site_id in sorted(found))})"
            f" and {older_than(now_ms - days * _DAY_MS)})"
            for days, found in sorted(sites.items())
        )

    def claim(self, days: Mapping[int, int]) -> list[tuple[int, int]]:
        """Set the days of all sites that have a limit; answers which sites the caller shall erase events of.

        With each comes the moment (ms since 1970) before which they go; once a day, whoever asks first.
        """
        today = clock.now_ms() // _DAY_MS * _DAY_MS
        wanted = {site_id: today - kept * _DAY_MS for site_id, kept in days.items()}
        with self._lock:
            state = self._state()
            erased = {site_id: until for site_id, until in state["erased"].items() if site_id in days}
            due = {site: moment for site, moment in wanted.items() if moment > erased.get(site, 0)}
            if due or state["days"] != days:
                self._write(dict(days), erased | due)
        return sorted(due.items())

    def _write(self, days: dict[int, int], erased: dict[int, int]) -> None:
        replace_file(self._path, json.dumps({"days": days, "erased": erased}).encode())

    def _state(self) -> dict[str, dict[int, int]]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return {"days": {}, "erased": {}}
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        known, state = self._read
        if known != stamp:
            rows = json.loads(self._path.read_bytes())
            state = {name: {int(site): value for site, value in row.items()} for name, row in rows.items()}
            self._read = (stamp, state)
        return state


def older_than(milliseconds: int) -> str:
    """The SQL condition of events before a moment; a text is a moment for every engine."""
    moment = clock.from_ms(milliseconds).isoformat(sep=" ", timespec="milliseconds")[:23]
    return f"timestamp < '{moment}'"
