"""`rybbit serve` at its start: where it cannot serve, and what it does first."""

import re
import socket
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine

from rybbit import migrations
from rybbit.cli import main
from tests.cli.conftest import Shell
from tests.faults.load import Sender
from tests.faults.server import SERVE, Instance, Server, running
from tests.first_version import make_first_version

FIRST_RUN = ("--domain", "shop.example", "--email", "ann@shop.example")


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


def _shown(label: str, text: str) -> str:
    """The one value that the first run printed under a label."""
    (value,) = re.findall(rf"^{label} +(.+)$", text, re.MULTILINE)
    return str(value)


def test_the_first_start_sets_up_and_the_second_prints_no_keys(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = Instance(instance, 1, "", "")
    with running(Server(nobody, arguments=(*SERVE, *FIRST_RUN))) as server:
        printed = server.log()
        assert f"Instance folder: {instance}\n" in printed
        assert _shown("Owner", printed) == "ann@shop.example"
        assert _shown("Site", printed).startswith("shop.example, number 1, ")
        assert f"curl {server.url}/api/track" in printed
        keys = _shown("Tracking key", printed), _shown("Account key", printed)
        server.instance = replace(nobody, tracking_key=keys[0], account_key=keys[1])
        sender = Sender(server.instance, server.port)
        assert sender.track("first") == (200, {"success": True})
        sender.close()
        assert server.event_ids() == ["first"]
        assert server.stop() == 0

        server.start().wait()
        again = server.log()[len(printed) :]
        assert "Serving on" in again
        assert not re.search(r"rb_[0-9a-f]{32}|Password|Tracking key|curl", again)
        assert server.event_ids() == ["first"]
        assert server.stop() == 0
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    shell = Shell(instance)
    assert [row["email"] for row in shell.json("user", "list")] == ["ann@shop.example"]
    assert [row["domain"] for row in shell.json("site", "list")] == ["shop.example"]
    assert len(shell.json("key", "list")) == 2


def test_a_database_of_an_older_step_is_brought_up_to_date_first(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.mkdir()
    engine = create_engine(f"sqlite:///{instance / 'rybbit.db'}")
    make_first_version(engine)
    assert migrations.current_revision(engine) == "0001"
    with running(Server(Instance(instance, 1, "", ""), arguments=(*SERVE, *FIRST_RUN))) as server:
        assert migrations.current_revision(engine) == migrations.head_revision()
        # It has an account, so that it is no empty one.
        assert "Tracking key" not in server.log()
        assert server.stop() == 0
    engine.dispose()
    (copy,) = (instance / "backups").glob("rybbit-0001-*.db")
    with closing(sqlite3.connect(copy)) as old:
        assert old.execute("select count(*) from rybbit_site").fetchone() == (2,)
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    assert [row["domain"] for row in Shell(instance).json("site", "list")] == ["d0.example", "d1.example"]
