"""The parts of the store on a folder, put together as the runtime does it, without an app."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rybbit import clock
from rybbit.ingest.known_ids import Known
from rybbit.ingest.receipts import Receipts
from rybbit.ingest.span_table import Row
from rybbit.locks import FileLock
from rybbit.store.base import EventStore
from rybbit.store.deletion import Deletion
from rybbit.store.history import StoredHistory
from rybbit.store.journal import Entry, Journal
from rybbit.store.journal_files import JournalFolder
from rybbit.store.lake import LakeOptions, LakeStore
from rybbit.store.mover import Mover
from rybbit.store.tombstones import Tombstones

REPOSITORY = Path(__file__).resolve().parents[2]

# A moment that is in no test's way: 2026-03-01 12:00 UTC.
NOON_MS = 1_772_366_400_000

# Where a mover can be killed, in the order in which it comes by; `tests/faults` has servers die there, too.
ADOPTION_POINTS = ("adoption:end-cut", "adoption:noted", "adoption:closed")
MOVER_POINTS = ("mover:before-manifest", "mover:manifest-written", "mover:committed", "mover:files-removed")
QUARANTINE_POINTS = ("mover:quarantined", "mover:cleaned")
INNER_POINTS = ("manifest:before-rename", "lake:file-written", "lake:committed", "batch:file-removed")


@dataclass(frozen=True)
class Parts:
    """What one process of a server would hold."""

    folder: Path
    journal_folder: JournalFolder
    tombstones: Tombstones
    store: EventStore
    receipts: Receipts
    journal: Journal
    mover: Mover
    deletion: Deletion

    def close(self) -> None:
        """End as a server does."""
        self.journal.close()
        self.receipts.close()
        self.store.close()

    def ids(self) -> list[int]:
        """The ids of all events, in order; doubled ones twice."""
        return [row[0] for row in self.store.query("select id from events order by id")]

    def count(self) -> int:
        """How many events a reader sees."""
        return int(self.store.query("select count(*) from events")[0][0])

    def store_line(self, *lines: bytes, name: str = "") -> str:
        """Put lines into a closed journal file; answers its name."""
        name = name or f"{clock.now_ms()}-{os.urandom(4).hex()}.jsonl"
        (self.journal_folder.path / name).write_bytes(b"".join(lines))
        return name

    def move_line(self, *lines: bytes) -> None:
        """Put lines into the journal, and all of the journal into the table."""
        self.store_line(*lines)
        self.mover.move_all()

    @property
    def log(self) -> Path:
        """The folder of the table's log."""
        return self.folder / "events" / "_delta_log"

    def files(self) -> list[Path]:
        """The data files on disk, in use or not."""
        return sorted((self.folder / "events").glob("*.parquet"))

    def spans(self) -> set[Row]:
        """The sessions that events can still join."""
        with self.receipts._lock:
            self.receipts._make_ready()
            return set(self.receipts._spans._live_rows(clock.now_ms()))

    def known_ids(self) -> set[Known]:
        """The event ids that count as known."""
        with self.receipts._lock, self.receipts._ready_ids()._guarded() as connection:
            return set(connection.execute("select site_id, event_id, id from known_event"))

    def age_log(self) -> None:
        """Make every file of the log three days old."""
        old = time.time() - 3 * 24 * 3600
        for path in self.log.iterdir():
            os.utime(path, (old, old))

    def age_tombstones(self) -> None:
        """Make every tombstone a minute older, so that it is ripe."""
        for path in self.tombstones.path.iterdir():
            fields = json.loads(path.read_text())
            path.write_text(json.dumps(fields | {"created_ms": fields["created_ms"] - 60_000}))


def make_parts(
    folder: Path,
    *,
    file_bytes: int = 16 * 1024 * 1024,
    file_seconds: float = 5,
    queue_limit: int = 20_000,
    move_bytes: int = 1,
    move_seconds: float = 0,
    compact_files: int = 64,
    erase_hours: int = 0,
    keep_visits_of: int = 10_000,
    ask_visits_of: int = 100_000,
    keep_answers: int = LakeOptions.keep_answers,
    memory: str = "256MB",
    threads: int = 1,
    history: Any = None,
    store: EventStore | None = None,
) -> Parts:
    """The parts of a process on a folder that others may share; the store is a lake unless it is given."""
    journal_folder = JournalFolder(folder / "journal")
    journal_folder.create()
    options = LakeOptions(
        folder=folder / "events",
        journal=journal_folder.path,
        tombstones=folder / "tombstones",
        memory=memory,
        threads=threads,
        compact_files=compact_files,
        erase_hours=erase_hours,
        keep_visits_of=keep_visits_of,
        ask_visits_of=ask_visits_of,
        keep_answers=keep_answers,
    )
    store = store or LakeStore(options)
    tombstones = Tombstones(options.tombstones)
    receipts = Receipts(folder / "receipts.db", journal_folder.path, history or StoredHistory(store))
    journal = Journal(
        journal_folder, receipts, file_bytes=file_bytes, file_seconds=file_seconds, queue_limit=queue_limit
    )
    mover = Mover(
        journal_folder,
        store,
        FileLock(folder / "mover.lock"),
        move_bytes=move_bytes,
        move_seconds=move_seconds,
        before_adoption=lambda _: receipts.finish_interrupted(),
        is_urgent=lambda: bool(tombstones.all()),
    )
    deletion = Deletion(tombstones, receipts)
    return Parts(folder, journal_folder, tombstones, store, receipts, journal, mover, deletion)


PartsMaker = Callable[..., Parts]


def entry(
    site_id: int = 1,
    *,
    visitor: int = 7,
    timestamp: int | None = None,
    event_id: str | None = None,
    earlier: int | None = None,
    **columns: Any,
) -> Entry:
    """An event as the pipeline hands it to the journal; of this moment, unless told otherwise."""
    timestamp = clock.now_ms() if timestamp is None else timestamp
    fields = {"site_id": site_id, "timestamp": timestamp, "type": "pageview", "event_id": event_id, **columns}
    filled = {name: value for name, value in fields.items() if value is not None}
    body = json.dumps(filled).encode()[1:]
    return Entry(site_id, visitor, timestamp, body, event_id=event_id, earlier_hash=earlier)


def line(number: int, site_id: int = 1, *, timestamp: int = NOON_MS, **columns: Any) -> bytes:
    """A journal line; `number` is its id, its session and, unless given, its visitor."""
    fields = {"id": number, "session_id": number, "user_hash": number, "site_id": site_id}
    return json.dumps({**fields, "timestamp": timestamp, "type": "pageview", **columns}).encode() + b"\n"


def run_child(
    folder: Path, *words: str, crash_at: str = "", code: int | None = 0
) -> "subprocess.CompletedProcess[str]":
    """Run `tests.store.child` on a folder to its end, and expect how it ends (-9: killed, None: either)."""
    done = subprocess.run(
        child_command(folder, *words),
        cwd=REPOSITORY,
        env={**os.environ, "RYBBIT_TEST_CRASH_AT": crash_at},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in ((0, -9) if code is None else (code,)), (
        done.returncode,
        done.stdout,
        done.stderr,
    )
    return done


def child_command(folder: Path, *words: str) -> list[str]:
    """The command line of a process that works on the folder."""
    return [sys.executable, "-m", "tests.store.child", str(folder), *words]
