"""Running commands as a person or a script runs them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rybbit.cli import main
from tests.conftest import DATABASES, empty_database
from tests.store.conftest import small_server

__all__ = ["small_server"]

INIT = ("init", "--email", "ann@example.com", "--domain", "example.com")


class Shell:
    """Runs commands on one instance folder."""

    def __init__(self, instance: Path) -> None:
        self.instance = instance

    def run(self, *arguments: str, code: int = 0) -> Result:
        """Run a command, and expect its exit code."""
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def json(self, *arguments: str) -> Any:
        """What a command prints on standard output, which must be JSON and nothing else."""
        return json.loads(self.run(*arguments, "--json").stdout)


@pytest.fixture(params=DATABASES)
def shell(request: pytest.FixtureRequest, instance: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell where there is no instance, on each kind of database."""
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    if request.param == "sqlite":
        yield Shell(instance)
        return
    uri = request.getfixturevalue("migrated_postgres")
    monkeypatch.setenv("RYBBIT_SQLALCHEMY_DATABASE_URI", uri)
    yield Shell(instance)
    empty_database(uri)


@pytest.fixture
def first(shell: Shell) -> Any:
    """What the first run printed."""
    return shell.json(*INIT)
