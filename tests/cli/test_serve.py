"""`rybbit serve` where it cannot serve."""

import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rybbit.cli import main


@pytest.mark.parametrize("shares", [False, True], ids=["alone", "as the workers of a server do"])
def test_a_port_that_is_taken_is_refused(
    shares: bool, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    monkeypatch.setattr(sys.modules["rybbit.cli.serve"], "_PORT_PATIENCE_SECONDS", 0)
    with socket.socket() as other:
        if shares:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", str(port), "--domain", "example.com"])
    assert result.exit_code == 1
    assert f"Cannot listen on 127.0.0.1, port {port}" in result.output
    # Nobody has seen the keys of an instance that would have been made.
    assert not instance.exists()


def test_an_address_that_is_not_this_machines(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    result = CliRunner().invoke(main, ["serve", "--host", "192.0.2.1"])
    assert (result.exit_code, "Cannot listen on 192.0.2.1" in result.output) == (1, True)
