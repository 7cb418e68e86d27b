"""`python -m tests.bench.inspector_bench`: what the event inspector costs, written and read."""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rybbit import clock
from rybbit.extensions import db
from rybbit.factory import create_app
from rybbit.ingest.directory import TrackedSite
from rybbit.ingest.losses import Loss, Source
from rybbit.ingest.request import TrackRequest
from rybbit.models import Reason
from rybbit.runtime import Runtime
from rybbit.stats.inspector import inspector_page
from rybbit.store.unkept import MOST, Unkept, UnkeptFile
from tests.bench.read_bench import filled_store, milliseconds
from tests.factories import make_site

_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_USUAL = {"pathname": "/articles/1", "hostname": "example.com", "page_title": "An article", "language": "en"}
_LARGE = {"page_title": "\\u0041 %41 " * 5_000, "nope": ["x"] * 500}


def tracked_site(runtime: Runtime) -> TrackedSite:
    """A new site as tracking knows it."""
    number = make_site().site_id
    db.session.commit()
    site = runtime.directory.find_site(str(number))
    assert site is not None
    return site


def loss_of(site: TrackedSite, body: bytes, reason: Reason) -> Loss:
    """An event of a browser that is refused."""
    request = TrackRequest(
        body, "application/json", "", "https://a.example", "", _AGENT, "", peer="198.51.100.7"
    )
    return Loss(site, Source(clock.now_ms(), request), reason, "mismatch", 403, "Origin mismatch")


def time_flushes(runtime: Runtime, fields: dict[str, object], name: str) -> None:
    """Fill the buffer to its bound, again and again, and write it."""
    site = tracked_site(runtime)
    body = json.dumps({"site_id": str(site.site_id), **fields}).encode()[:8192]

    def run() -> float:
        for reason in Reason:
            for _ in range(100):
                runtime.inspector.add(loss_of(site, body, reason))
        began = time.perf_counter()
        runtime.inspector.flush()
        return time.perf_counter() - began

    times = sorted(run() * 1000 for _ in range(7))
    size = runtime.unkept.path.stat().st_size / 1024 / 1024
    print(f"{name}: a full buffer of 1,000 is written in {times[3]:.0f} ms; the file has {size:.1f} MiB")


def time_reads(folder: Path, count: int) -> None:
    """Look at a site with a thousand entries, beside so many stored events of five sites."""
    store = filled_store(folder, count, sites=5)
    file = UnkeptFile(folder / "unkept.db")
    data = {"time": clock.now_ms(), "outcome": "refused", "request": "x" * 400, "user_agent": _AGENT}
    file.write([Unkept(1, clock.now_ms(), "origin", 1, None, json.dumps(data))] * MOST)
    cursor = inspector_page(store, file, 1).cursor
    calls: dict[str, Callable[[], object]] = {
        "the newest 100": lambda: inspector_page(store, file, 1, limit=100),
        "the newest 1,000": lambda: inspector_page(store, file, 1, limit=1000),
        "what is new (nothing)": lambda: inspector_page(store, file, 1, since=cursor),
        "the sweep": file.sweep,
    }
    for name, call in calls.items():
        print(f"{name}: {milliseconds(call):.1f} ms")
    store.close()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        app = create_app({"RYBBIT_INSTANCE_PATH": name})
        runtime: Runtime = app.extensions["rybbit"]
        with app.app_context():
            time_flushes(runtime, dict(_USUAL), "usual bodies")
            time_flushes(runtime, dict(_LARGE), "bodies of 8 KiB and more")
    with tempfile.TemporaryDirectory() as name:
        time_reads(Path(name), options.events)


if __name__ == "__main__":
    main()
