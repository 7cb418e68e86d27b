"""Deletions that readers and the mover obey at once, while the data itself goes later.

A tombstone is a small file: of a whole site, of one visitor's events up to an id, or of what is older than a
moment. It stays until the events it hides are gone from disk.
"""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rybbit import clock
from rybbit.store.base import EVERYTHING, Scope
from rybbit.store.journal_files import JournalFolder, created_ms, sync_folder
from rybbit.store.retention import Retention, older_than

# A worker may take events of a deleted site until its one-second cache is stale.
_CACHE_MS = 2_000

NOTHING = "false"
"""The condition that hides nothing."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is hidden of a site: all, a visitor's events up to `last_id`, or what is before `before_ms`."""

    site_id: int
    user_hash: int | None
    last_id: int | None
    created_ms: int
    name: str = ""
    before_ms: int | None = None

    @property
    def condition(self) -> str:
        """The SQL condition that is true for the hidden events; it holds numbers only."""
        if self.before_ms is not None:
            return f"(site_id = {self.site_id:d} and {older_than(self.before_ms)})"
        if self.user_hash is None:
            return f"site_id = {self.site_id:d}"
        return f"(site_id = {self.site_id:d} and user_hash = {self.user_hash:d} and id <= {self.last_id:d})"

    def concerns(self, scope: Scope) -> bool:
        """Whether it hides anything of what is asked for."""
        return scope.may_be_before(self.site_id, self.before_ms)


def hidden_condition(tombstones: Sequence[Tombstone]) -> str:
    """The SQL condition of all events that the tombstones hide."""
    return " or ".join(tombstone.condition for tombstone in tombstones) or NOTHING


# A thousand sites with a limit have a thousand files for minutes of a day, and every query looks at them.
@lru_cache(10_000)
def _parse(path: str, _stamp: tuple[int, int]) -> Tombstone:
    return Tombstone(**json.loads(Path(path).read_text()), name=Path(path).name)


def _read(entry: os.DirEntry[str]) -> Tombstone | None:
    try:
        found = entry.stat()
        return _parse(entry.path, (found.st_mtime_ns, found.st_ino))
    except FileNotFoundError:
        return None


class Tombstones:
    """The folder of tombstones of an instance."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._retention = Retention(path)

    def hidden(self, scope: Scope = EVERYTHING) -> str:
        """The SQL condition of what no reader may see and no store may take in: deleted, or too old.

        What has nothing to do with the scope is left out: there may be many sites.
        """
        conditions = [each.condition for each in self.all() if each.concerns(scope)]
        return " or ".join(filter(None, [*conditions, self._retention.condition(scope)])) or NOTHING

    def keep_only(self, days: Mapping[int, int]) -> None:
        """Keep the events of these sites for so many days, and those of all others for ever."""
        if not days and not self._retention.exists():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        for site_id, moment in self._retention.claim(days):
            self.add(site_id, before_ms=moment)

    def add(
        self,
        site_id: int,
        *,
        user_hash: int | None = None,
        last_id: int | None = None,
        before_ms: int | None = None,
        name: str = "",
    ) -> str:
        """Hide a site, a visitor's events up to an id, or old ones, durably and at once; answers its name."""
        self.path.mkdir(parents=True, exist_ok=True)
        fields = {"site_id": site_id, "user_hash": user_hash, "last_id": last_id, "before_ms": before_ms}
        name = name or f"{secrets.token_hex(8)}.json"
        self._write(name, fields)
        return name

    def withdraw(self, name: str) -> None:
        """Let the events be seen again: their deletion came to nothing."""
        (self.path / name).unlink(missing_ok=True)
        sync_folder(self.path)

    def _write(self, name: str, fields: dict[str, int | None]) -> None:
        """Write a tombstone of this moment, durably; readers see all of it or nothing."""
        temporary = (self.path / name).with_suffix(".new")
        with temporary.open("w") as file:
            json.dump(fields | {"created_ms": clock.now_ms()}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self.path / name)
        sync_folder(self.path)

    def all(self) -> list[Tombstone]:
        """Every tombstone whose events are still in the store or the journal."""
        return self._read_all(".json")

    def ripe(self, journal: JournalFolder) -> list[Tombstone]:
        """Deletions of which no event can be in the journal any more."""
        tombstones = self.all()
        if not tombstones:
            return []
        listing = journal.listing()
        born = [created_ms(name) for name in listing.open | listing.closed]
        oldest = min([*born, clock.now_ms()])
        return [tombstone for tombstone in tombstones if tombstone.created_ms + _CACHE_MS < oldest]

    def erased(self) -> list[Tombstone]:
        """Tombstones whose events are in no file that is still in use; their `created_ms` is since when."""
        return self._read_all(".erased")

    def _read_all(self, suffix: str) -> list[Tombstone]:
        # Not `glob`, which takes five times as long.
        try:
            with os.scandir(self.path) as entries:
                found = [_read(entry) for entry in entries if entry.name.endswith(suffix)]
        except FileNotFoundError:
            return []
        return [tombstone for tombstone in found if tombstone is not None]

    def mark_erased(self, tombstone: Tombstone) -> None:
        """Note that only files which were replaced, and will be removed, hold what it hides."""
        fields = {
            "site_id": tombstone.site_id,
            "user_hash": tombstone.user_hash,
            "last_id": tombstone.last_id,
            "before_ms": tombstone.before_ms,
        }
        self._write(Path(tombstone.name).with_suffix(".erased").name, fields)
        self.remove(tombstone)

    def remove(self, tombstone: Tombstone) -> None:
        """Forget a deletion: nothing of what it hides is left on disk."""
        self.withdraw(tombstone.name)
