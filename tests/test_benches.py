"""Benchmarks are commands that nobody runs for weeks: that they still begin."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
BENCHES = sorted(path.stem for path in (REPOSITORY / "tests" / "bench").glob("*_bench.py"))


@pytest.mark.parametrize("name", BENCHES)
def test_a_benchmark_explains_itself(name: str) -> None:
    command = [sys.executable, "-m", f"tests.bench.{name}", "--help"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, f"python -m tests.bench.{name}" in done.stdout) == (0, True), done.stderr


def test_contributors_are_told_of_each() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    assert [name for name in BENCHES if f"python -m tests.bench.{name}" not in text] == []
