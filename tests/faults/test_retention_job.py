"""How long events are kept, by a worker to which nobody speaks, after a command in another process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from rybbit.extensions import db
from rybbit.factory import create_app
from rybbit.runtime import Runtime
from tests.faults.server import Instance
from tests.store.conftest import Clocks
from tests.transfer.conftest import run

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class SteppedPause(Event):
    """In place of a loop's own: a pause moves the clocks and takes no time, and the last one ends the loop.

    A rewrite is waited for, so that it takes no time on the stepped clocks either.
    """

    def __init__(self, runtime: Runtime, clocks: Clocks, seconds: float) -> None:
        super().__init__()
        self._runtime = runtime
        self._clocks = clocks
        self._end = clocks.monotonic + seconds

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time of a pause go by; answers whether it was the last one."""
        if (rewrite := self._runtime._rewriting) is not None:
            assert rewrite.wait(60) == 0
        self._clocks.move(timeout or 0)
        return self._clocks.monotonic > self._end


def run_mover(runtime: Runtime, clocks: Clocks, seconds: float) -> None:
    """Run the loop of the mover's thread in this one, for so long on the stepped clocks."""
    (background,) = [each for each in runtime._background if each._name == "rybbit-mover"]
    background._stopping = SteppedPause(runtime, clocks, seconds)
    background._run()


@contextmanager
def silent_worker(folder: Path) -> Iterator[Runtime]:
    """What a worker holds open, before its threads are started."""
    app = create_app({"RYBBIT_INSTANCE_PATH": str(folder)})
    runtime = cast(Runtime, app.extensions["rybbit"])
    try:
        yield runtime
    finally:
        runtime.receipts.close()
        runtime.store.close()
        with app.app_context():
            db.engine.dispose()


def readable(runtime: Runtime) -> list[str]:
    return [row[0] for row in runtime.store.query("select pathname from events order by pathname")]


def rows(runtime: Runtime) -> int:
    """How many there are in the table, be they hidden or not."""
    return int(runtime.store.describe()["events"])


@pytest.fixture
def noon_ms(clocks: Clocks) -> int:
    """Where the clocks begin: two days ago, so that the real ones of a rewriting process are ahead."""
    clocks.now_ms -= clocks.now_ms % DAY_MS + DAY_MS + 12 * HOUR_MS
    return clocks.now_ms


def test_what_is_too_old_goes_though_nobody_asks(
    site: Instance, tmp_path: Path, clocks: Clocks, noon_ms: int
) -> None:
    file = tmp_path / "old.jsonl"
    with file.open("w") as lines:
        # The second may stay on disk until tomorrow: an erasure is of whole days.
        for name, age_ms in (("/1", 40 * DAY_MS), ("/2", 30 * DAY_MS + HOUR_MS), ("/3", 20 * DAY_MS)):
            event = {"timestamp": noon_ms - age_ms, "type": "pageview", "visitor_id": "v", "pathname": name}
            lines.write(json.dumps(event) + "\n")
    run(site.folder, "import", str(file), "--site", str(site.site_id))
    with silent_worker(site.folder) as runtime:
        run_mover(runtime, clocks, 60)
        assert (readable(runtime), rows(runtime)) == (["/1", "/2", "/3"], 3)
        run(site.folder, "site", "set", "--site", str(site.site_id), "retentionDays=30")
        run_mover(runtime, clocks, 31)
        assert (readable(runtime), rows(runtime)) == (["/3"], 3)
        run_mover(runtime, clocks, 60)
        assert (readable(runtime), rows(runtime)) == (["/3"], 2)
        clocks.move(DAY_MS / 1000)
        run_mover(runtime, clocks, 60)
        assert (readable(runtime), rows(runtime)) == (["/3"], 1)
