"""The parts of one running server, put together: what takes events in, keeps and moves them."""

import atexit
import logging
import multiprocessing.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from limits.strategies import RateLimiter
from sqlalchemy import Engine

from rybbit import clock
from rybbit.background import Background, Job
from rybbit.config import Config
from rybbit.errors import Unavailable
from rybbit.ingest import agent, bots
from rybbit.ingest.credential import Gate
from rybbit.ingest.directory import SiteDirectory
from rybbit.ingest.drops import DropCounter, DropKey
from rybbit.ingest.enrich import Enricher
from rybbit.ingest.geo import GeoDatabase
from rybbit.ingest.inspector import Inspector
from rybbit.ingest.loss_rows import LossDescriber
from rybbit.ingest.losses import Losses
from rybbit.ingest.pipeline import Pipeline
from rybbit.ingest.receipts import Receipts
from rybbit.ingest.request import TrustedProxies
from rybbit.ingest.visitor import DaySalts, Visitors
from rybbit.limits import TrackLimiter, parse_rate
from rybbit.locks import FileLock, register_forkable
from rybbit.store.deletion import Deletion
from rybbit.store.engines import open_store, store_options, write_options
from rybbit.store.history import StoredHistory
from rybbit.store.journal import Journal
from rybbit.store.journal_files import JournalFolder
from rybbit.store.loads import LoadFolder
from rybbit.store.mover import Mover
from rybbit.store.tombstones import Tombstones
from rybbit.store.unkept import UnkeptFile

logger = logging.getLogger(__name__)

# What fails once will most likely fail again, and costs a processor for a while each time.
_AFTER_FAILURE_SECONDS = 60


@dataclass(frozen=True)
class Writers:
    """How counts reach the control database, and how days of retention come from there; handed in."""

    drops: Callable[[Mapping[DropKey, int]], None]
    key_uses: Callable[[Mapping[str, datetime]], None]
    limits: Callable[[], Mapping[int, int]]


class Runtime:
    """Everything that one process of the server holds open; each worker has its own."""

    def __init__(self, config: Config, engine: Engine, strategy: RateLimiter, writers: Writers) -> None:
        self.config = config
        self.journal_folder = JournalFolder(config.instance_path / "journal")
        self.tombstones = Tombstones(config.instance_path / "tombstones")
        self.loads = LoadFolder(config.instance_path / "loads")
        self._store_options = store_options(config)
        self.store = open_store(self._store_options)
        self.receipts = self._make_receipts()
        self.unkept = UnkeptFile(config.instance_path / "unkept.db")
        self.deletion = Deletion(
            self.tombstones, self.receipts, [self.unkept, self.journal_folder], self.loads
        )
        self.journal = Journal(
            self.journal_folder,
            self.receipts,
            file_bytes=config.journal_file_bytes,
            file_seconds=config.journal_file_seconds,
            queue_limit=config.journal_queue,
        )
        self.mover = Mover(
            self.journal_folder,
            self.store,
            FileLock(config.instance_path / "mover.lock"),
            move_bytes=config.move_bytes,
            move_seconds=config.move_seconds,
            before_adoption=lambda _: self.receipts.finish_interrupted(),
            is_urgent=lambda: bool(self.tombstones.all()),
        )
        self.directory = SiteDirectory(engine)
        self.salts = DaySalts(engine)
        self.geo = GeoDatabase(*config.geo_databases)
        self.drops = DropCounter(writers.drops)
        self.proxies = TrustedProxies(config.trusted_proxies)
        visitors = Visitors(self.salts)
        enricher = Enricher(self.geo, visitors)
        self.inspector = Inspector(self.unkept, LossDescriber(enricher, visitors, self.proxies))
        self.pipeline = Pipeline(
            self.directory,
            Gate(
                self.directory,
                by_key=TrackLimiter(parse_rate(config.track_rate_limit), strategy),
                by_address=TrackLimiter(
                    parse_rate(config.browser_rate_limit, setting="RYBBIT_BROWSER_RATE_LIMIT"), strategy
                ),
            ),
            enricher,
            self.journal,
            Losses(self.directory, self.drops, self.inspector),
            self.proxies,
        )
        self._writers = writers
        self._rewriting: subprocess.Popen[bytes] | None = None
        self._rewrite_from = 0.0
        self._background = [
            Background("rybbit-counts", self._count_jobs()),
            Background("rybbit-mover", self._mover_jobs()),
        ]
        self._started = False
        register_forkable(self)

    def _make_receipts(self) -> Receipts:
        return Receipts(
            self.config.instance_path / "receipts.db",
            self.journal_folder.path,
            StoredHistory(self.store),
            first_of_ms=lambda: self.store.first_of_ms,
        )

    def _count_jobs(self) -> list[Job]:
        return [
            Job("drops", 0.5, self.drops.flush),
            Job("inspector", 0.5, self.inspector.flush),
            Job("inspector's hour", 10, self.unkept.sweep),
            Job("key uses", 2, lambda: self.directory.uses.flush(self._writers.key_uses)),
            Job("salts", 60, self.salts.forget_old),
        ]

    def _mover_jobs(self) -> list[Job]:
        return [
            Job("journal file", 0.25, self.journal.close_if_due),
            Job("mover", 0.25, self.mover.tick),
            Job("rewrite", 5, self._start_rewrite),
            Job("retention", 30, self.keep_retention),
            Job("receipts", 600, self.receipts.forget_old),
        ]

    def start(self) -> None:
        """Begin the background work of this process; called with every request, does it once."""
        if self._started:
            return
        self._started = True
        self.journal_folder.create()
        # What a server left behind that was stopped for longer than it may be kept.
        self.unkept.sweep()
        for background in self._background:
            background.start()
        # A worker that multiprocessing forked ends without atexit, others without multiprocessing's exit.
        atexit.register(self.stop)
        multiprocessing.util.Finalize(None, self.stop, exitpriority=100)

    def keep_retention(self) -> None:
        """Have every reader obey what the control database says of how long events are kept."""
        self.tombstones.keep_only(self._writers.limits())

    def warm_up(self) -> None:
        """Build what would otherwise cost the first events their time: tables, engines, files."""
        agent.warm_up()
        bots.warm_up()
        self.geo.reload_if_changed()
        if not self.store.is_well():
            logger.warning("The event store does not answer yet; events wait in the journal")
        try:
            self.receipts.make_ready()
        except Unavailable:
            # After a reboot, sessions and known ids are in the store alone: better refused than doubled.
            logger.warning("What came before is not known without the event store; events may be refused")

    def stop(self) -> None:
        """Refuse further events, finish those under way, write the counts, close the files."""
        if not self._started:
            return
        self._started = False
        for background in self._background:
            background.stop()
        self._stop_rewrite()
        self.journal.close()
        self.inspector.flush()
        try:
            self.drops.flush()
            self.directory.uses.flush(self._writers.key_uses, everything=True)
        except Exception:
            logger.exception("The last counts could not be written")
        self.receipts.close()
        self.store.close()

    def reset_after_fork(self) -> None:
        """A child starts its own background work."""
        self._started = False
        self._rewriting = None

    def _start_rewrite(self) -> None:
        if self._rewriting is not None:
            if self._rewriting.poll() is None:
                return
            if failure := self._rewriting.returncode:
                logger.warning(
                    "Rewriting the store failed (exit code %d); the next try is in a minute", failure
                )
                self._rewrite_from = clock.monotonic() + _AFTER_FAILURE_SECONDS
            self._rewriting = None
        if clock.monotonic() >= self._rewrite_from and self.store.needs_rewrite():
            command = [sys.executable, "-m", "rybbit.store.maintenance"]
            self._rewriting = subprocess.Popen(command, stdin=subprocess.PIPE)
            if self._rewriting.stdin is not None:
                # It may have ended already, and its exit code will tell.
                with suppress(BrokenPipeError), self._rewriting.stdin as options:
                    options.write(write_options(self._store_options).encode())

    def _stop_rewrite(self) -> None:
        """End a compaction under way, lest it outlives the server; the next one begins it anew."""
        if self._rewriting is not None and self._rewriting.poll() is None:
            self._rewriting.terminate()
            self._rewriting.wait()
        self._rewriting = None

    def describe(self) -> dict[str, Any]:
        """What an operator wants to know of journal, store and geo database."""
        listing = self.journal_folder.listing()
        quarantined = list(self.journal_folder.quarantine.glob("*"))
        return {
            "journal": {
                "open": len(listing.open),
                "closed": len(listing.closed),
                "batches": len(listing.manifests),
                "quarantined": len(quarantined),
            },
            "store": self.store.describe(),
            "geo": self.geo.describe(),
        }
