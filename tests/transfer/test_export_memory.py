"""An export needs as much memory of many events as of few."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.clickhouse_parts import SmallServer
from tests.store.conftest import small_server
from tests.store.parts import REPOSITORY
from tests.transfer.conftest import environment, run

__all__ = ["small_server"]

FEW, MANY = 50_000, 300_000
# What differs is what the engine keeps of the files it reads. The output grows by 210 MB.
BOUND_KB = 64 * 1024
_STATUS = Path("/proc/self/status")
_PROGRAM = f"""
import atexit, pathlib, sys

# Unlike what the system tells of children, this begins anew with the program.
atexit.register(lambda: sys.stderr.write(pathlib.Path({str(_STATUS)!r}).read_text()))
from rybbit.cli import main

main()
"""


def export(folder: Path) -> tuple[int, int]:
    """Export as JSON lines in a process of its own; answers how many, and its most memory in kB."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "export", "--site", "1", "--format", "jsonl"],
        cwd=REPOSITORY,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        output, errors = process.stdout, process.stderr
        assert output is not None
        assert errors is not None
        lines = 0
        while piece := output.read(1 << 20):
            lines += piece.count(b"\n")
        told = errors.read().decode()
    assert process.returncode == 0, told
    return lines, int(told.partition("VmHWM:")[2].split()[0])


@pytest.mark.skipif(not _STATUS.exists(), reason="a process's most memory is read from /proc")
@pytest.mark.parametrize("engine", ["lake", "clickhouse"])
def test_it_does_not_grow_with_the_events(
    engine: str, folder: Path, small_server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "clickhouse":
        small_server.set_faults()
        monkeypatch.setenv("RYBBIT_EVENTS_URL", small_server.url(folder))
    demo = ("demo", "--site", "1", "--until", "2026-03-01T12:00:00", "--events")
    run(folder, *demo, str(FEW))
    few, memory_of_few = export(folder)
    run(folder, *demo, str(MANY - FEW))
    many, memory_of_many = export(folder)
    assert (few, many) == (FEW, MANY)
    assert memory_of_many - memory_of_few < BOUND_KB
