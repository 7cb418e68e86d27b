"""`python -m tests.bench.export_bench`: events a second and peak memory of an export, by format.

With `--engine clickhouse` out of ClickHouse in this process, whose memory is in the figures.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rybbit.stats.export import Form, export_events
from rybbit.stats.period import ALL_TIME
from rybbit.stats.question import Question
from rybbit.store.base import EventStore
from tests.bench.read_bench import filled_store, open_store, peak_mb
from tests.store.clickhouse_parts import clickhouse_store


def _clickhouse(folder: Path) -> EventStore:
    return clickhouse_store(folder, f"chdb://{folder / 'chdb'}?database=bench")


ENGINES: dict[str, Callable[[Path], EventStore]] = {"lake": open_store, "clickhouse": _clickhouse}


def report(store: EventStore, form: Form, count: int) -> None:
    """Export everything in this process, and print the figures."""
    store.query("select count(*) from events")
    before = peak_mb()
    began, cpu = time.monotonic(), time.process_time()
    stream = export_events(store, Question(1, ALL_TIME), form)
    first = time.monotonic() - began
    size = sum(len(piece) for piece in stream)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    print(
        f"  {form:8} {count / seconds:10,.0f} events/s ({count / cpu:,.0f} a second of processor time),"
        f" {size / count:6.1f} bytes an event, the first after {first:.1f} s,"
        f" peak {peak_mb():4.0f} MB, {before:.0f} MB before"
    )
    store.close()


def main() -> None:
    """Fill a store, and export it in a process a format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--engine", choices=list(ENGINES), default="lake")
    parser.add_argument("--form", choices=list(Form))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    make_store = ENGINES[arguments.engine]
    if arguments.form:
        report(make_store(arguments.folder), Form(arguments.form), arguments.events)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        filled_store(folder, arguments.events, sites=1, store=make_store(folder)).close()
        for form in Form:
            options = ["--events", str(arguments.events), "--engine", arguments.engine]
            options += ["--form", form, "--folder", name]
            subprocess.run([sys.executable, "-m", "tests.bench.export_bench", *options], check=True)


if __name__ == "__main__":
    main()
