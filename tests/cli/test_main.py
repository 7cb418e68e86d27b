"""The command line as a whole."""

import subprocess
import sys
import time
from importlib import metadata

import pytest
from click.testing import CliRunner

from rybbit.cli import main


def test_the_version_is_printed_at_once() -> None:
    command = [sys.executable, "-m", "rybbit", "version"]
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        printed = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(time.monotonic() - start)
        assert (printed.stdout, printed.stderr) == (f"{metadata.version('rybbit')}\n", "")
    assert min(seconds) < 1.0


def test_the_command_line_imports_nothing_heavy() -> None:
    heavy = {"alembic", "argon2", "duckdb", "flask", "granian", "pydantic", "sqlalchemy"}
    code = f"import sys, rybbit.cli; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.output
