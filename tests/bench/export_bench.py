"""`python -m tests.bench.export_bench`: events a second and peak memory of an export, by format."""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rybbit.stats.export import Form, export_events
from rybbit.stats.period import ALL_TIME
from rybbit.stats.question import Question
from tests.bench.read_bench import filled_store, open_store, peak_mb


def report(folder: Path, form: Form, count: int) -> None:
    """Export everything in this process, and print the figures."""
    store = open_store(folder)
    store.query("select count(*) from events")
    before = peak_mb()
    began, cpu = time.monotonic(), time.process_time()
    size = sum(len(piece) for piece in export_events(store, Question(1, ALL_TIME), form))
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    print(
        f"  {form:8} {count / seconds:10,.0f} events/s ({count / cpu:,.0f} a second of processor time),"
        f" {size / count:6.1f} bytes an event, peak {peak_mb():4.0f} MB, {before:.0f} MB before"
    )
    store.close()


def main() -> None:
    """Fill a store, and export it in a process a format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--form", choices=list(Form))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.form:
        report(arguments.folder, Form(arguments.form), arguments.events)
        return
    with tempfile.TemporaryDirectory() as name:
        filled_store(Path(name), arguments.events, sites=1).close()
        for form in Form:
            options = ["--events", str(arguments.events), "--form", form, "--folder", name]
            subprocess.run([sys.executable, "-m", "tests.bench.export_bench", *options], check=True)


if __name__ == "__main__":
    main()
