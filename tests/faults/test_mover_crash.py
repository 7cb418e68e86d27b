"""The mover and the compaction die between each two of their steps: no event is lost or doubled."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from rybbit.store.engines import write_options
from tests.faults.load import load_on, options_of, stored_ids
from tests.faults.server import PATIENCE, Instance, Server, running, serving, wait_for_batches, wait_until
from tests.store.parts import ADOPTION_POINTS, INNER_POINTS, MOVER_POINTS

BUSY = {"RYBBIT_JOURNAL_FILE_SECONDS": "0.2", "RYBBIT_MOVE_SECONDS": "0.3"}
REWRITE = ("rewrite:before-commit", "rewrite:visits-written", "rewrite:before-tidy")


@pytest.mark.parametrize("point", [*ADOPTION_POINTS, *MOVER_POINTS, *INNER_POINTS])
def test_mover_dies(site: Instance, point: str) -> None:
    """Whichever worker moves dies there, again and again; one without the switch completes it."""
    crashing = BUSY | {"RYBBIT_TEST_CRASH_AT": point}
    with running(Server(site, environment=crashing)) as server:
        _leave_open_files(site, 2)
        with load_on(site, server.port) as load:
            wait_until(lambda: server.log().count("Unexpected exit") >= 2, "workers die while moving")
            load.wait_for(20)
            server.kill_all()
            server.start(RYBBIT_TEST_CRASH_AT="").wait()
            load.wait_for(20)
        load.check(server.event_ids())
        wait_until(site.is_moved, "the journal is moved")
        load.check(server.event_ids())


def _leave_open_files(site: Instance, count: int) -> None:
    """Files of dead writers who wrote nothing, so that there is something to adopt, whoever dies first."""
    for number in range(count):
        (site.journal / f"{number}-a.open").touch()


def test_compaction_dies(site: Instance) -> None:
    """It dies between its steps, beside a server that takes events in and is asked for them."""
    with serving(site, environment=BUSY) as server, load_on(site, server.port) as load:
        for point in REWRITE:
            wait_for_batches(site, 4)
            assert _compact(site, RYBBIT_TEST_CRASH_AT=point).returncode == -signal.SIGKILL
            load.wait_for(20)
        wait_for_batches(site, 4)
        done = _compact(site)
        assert (done.returncode, "Merged" in done.stderr) == (0, True)
        load.stop()
        load.check(server.event_ids())
        server.kill_all()
    load.check(stored_ids(site))


def _compact(site: Instance, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the compaction as a worker starts it."""
    options = replace(options_of(site), compact_files=3, keep_visits_of=1)
    return subprocess.run(
        [sys.executable, "-m", "rybbit.store.maintenance"],
        input=write_options(options),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
