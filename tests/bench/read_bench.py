"""`python -m tests.bench.read_bench`: disk per event and the time of `overview`, beside raw DuckDB."""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rybbit import clock
from rybbit.config import Config
from rybbit.locks import FileLock
from rybbit.stats.events import event_page
from rybbit.stats.overview import overview
from rybbit.stats.period import Period, parse_period
from rybbit.stats.question import Question
from rybbit.store.base import EventStore
from rybbit.store.journal_files import JournalFolder
from rybbit.store.lake import LakeOptions, LakeStore
from rybbit.store.mover import Mover
from tests.bench.events import DAY_MS, event_lines, write_journal

MEMORY = Config().query_memory


def open_store(folder: Path, *, keep_answers: int = 0) -> LakeStore:
    """The lake in a folder, with the memory and threads that a server gives it; it keeps no answers."""
    return LakeStore(
        LakeOptions(
            folder=folder / "events",
            journal=folder / "journal",
            tombstones=folder / "tombstones",
            memory=MEMORY,
            threads=0,
            compact_files=64,
            erase_hours=0,
            keep_answers=keep_answers,
        )
    )


def filled_store(folder: Path, count: int, *, sites: int, store: EventStore | None = None) -> EventStore:
    """A compacted store, the lake unless another is given, with so many events of the last 30 days."""
    journal = JournalFolder(folder / "journal")
    journal.create()
    store = store or open_store(folder)
    mover = Mover(
        journal,
        store,
        FileLock(folder / "mover.lock"),
        move_bytes=1,
        move_seconds=0,
        before_adoption=lambda _: None,
        is_urgent=lambda: True,
    )
    now_ms = clock.now_ms()
    write_journal(journal.path, event_lines(count, sites=sites, days=30, end_ms=now_ms), born_ms=now_ms)
    began = time.monotonic()
    mover.move_all()
    moved = time.monotonic()
    store.rewrite(everything=True)
    compacted = time.monotonic()
    figures = store.describe()
    print(
        f"{count:,} events of {sites} sites: moved in {moved - began:.1f} s, compacted in"
        f" {compacted - moved:.1f} s, {figures['files']} files, {figures['bytes'] / count:.1f} bytes an event"
    )
    return store


def peak_mb() -> float:
    """The most memory that this process had at once."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
    # The figure of `getrusage` is that of the parent, if it is larger.
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def milliseconds(run: Callable[[], object], *, rounds: int = 21) -> float:
    """The median time of a call that is already warm."""
    run()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def raw_overview(folder: Path, site_id: int) -> Callable[[], object]:
    """The same question put to DuckDB directly, over the same files."""
    import duckdb

    engine = duckdb.connect()
    paths = [str(path) for path in (folder / "events").glob("*.parquet")]
    sql = """
    with visits as (
      select count(*) filter (where type = 'pageview') as pages, max(timestamp) - min(timestamp) as duration
      from read_parquet($paths) where site_id = $site_id group by session_id
    )
    select count(*), sum(pages), count(*) filter (where pages = 1), avg(epoch_ms(duration)),
      (select count(distinct user_hash) from read_parquet($paths) where site_id = $site_id)
    from visits
    """
    return lambda: engine.execute(sql, {"paths": paths, "site_id": site_id}).fetchall()


def thirty_days() -> Period:
    """The last thirty days."""
    first = clock.from_ms(clock.now_ms() - 30 * DAY_MS).date()
    return parse_period({"start_date": first.isoformat(), "end_date": clock.now().date().isoformat()})


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    arguments = parser.parse_args()
    for sites in (1, 1_000):
        with tempfile.TemporaryDirectory() as name:
            report(Path(name), arguments.events, sites=sites)


def report(folder: Path, count: int, *, sites: int) -> None:
    """Fill a store and print how long the questions take."""
    store = filled_store(folder, count, sites=sites)
    question = Question(1, thirty_days())
    ours = milliseconds(lambda: overview(store, question))
    raw = milliseconds(raw_overview(folder, 1))
    page = milliseconds(lambda: event_page(store, question, page_size=50))
    print(f"  overview, 30 days, one site of {sites}: {ours:6.1f} ms   raw DuckDB {raw:6.1f} ms")
    print(f"  newest 50 events:                  {page:6.1f} ms")
    store.close()


if __name__ == "__main__":
    main()
