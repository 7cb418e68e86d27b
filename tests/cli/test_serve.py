"""`rybbit serve` at its start: where it cannot serve, and what it does first."""

import os
import re
import socket
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner
from sqlalchemy import create_engine

from rybbit import migrations
from rybbit.cli import main
from rybbit.cli.listening import find_address
from rybbit.cli.serve import DEFAULT_THREADS
from tests.cli.conftest import Shell
from tests.faults.load import Sender
from tests.faults.server import SERVE, Instance, Server, free_port, running
from tests.first_version import make_first_version


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="the machine has no IPv6")
FIRST_RUN = ("--domain", "shop.example", "--email", "ann@shop.example")


@pytest.mark.parametrize("shares", [False, True], ids=["alone", "as the workers of a server do"])
def test_a_port_that_is_taken_is_refused(
    shares: bool, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    monkeypatch.setattr(sys.modules["rybbit.cli.listening"], "_PORT_PATIENCE_SECONDS", 0)
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


@pytest.mark.parametrize("host", ["", " ", "nobody.invalid", "a" * 70, "127.0.0.1/", "[::1]", "fe80::1%lo"])
def test_what_is_no_host_is_refused_before_anything_is_made(
    host: str, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    result = CliRunner().invoke(main, ["serve", "--host", host, *FIRST_RUN])
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, "--host" in result.output) == (1, True)
    assert len(result.output.splitlines()) == 1
    assert not instance.exists()


def test_a_domain_that_is_none_is_named(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    result = CliRunner().invoke(main, ["serve", "--port", str(free_port()), "--domain", "☕.example"])
    assert (result.exit_code, "Error: domain: " in result.output) == (1, True)
    assert not instance.exists()


@pytest.fixture
def unserved(instance: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where it would listen, for commands that end before they serve."""
    places: list[str] = []
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    monkeypatch.setattr(sys.modules["rybbit.cli.serve"], "_serve", lambda host, *_: places.append(host))
    return places


@pytest.mark.parametrize(
    ("host", "listens", "printed"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0", "127.0.0.1"),  # noqa: S104  # what is tested
        pytest.param("::", "::", "[::1]", marks=needs_ipv6),
        pytest.param("::1", "::1", "[::1]", marks=needs_ipv6),
    ],
)
@pytest.mark.parametrize("base", ["", "https://stats.example.com"])
def test_what_is_printed_works_on_this_machine(
    unserved: list[str], monkeypatch: pytest.MonkeyPatch, host: str, listens: str, printed: str, base: str
) -> None:
    monkeypatch.setenv("RYBBIT_BASE_URL", base)
    port = str(free_port())
    here = base or f"http://{printed}:{port}"
    arguments = ["serve", "--host", host, "--port", port]
    assert f"  {here}/setup?token=" in CliRunner().invoke(main, arguments).output
    assert f"curl {here}/api/track" in CliRunner().invoke(main, [*arguments, *FIRST_RUN]).output.replace(
        "'", ""
    )
    assert unserved == [listens, listens]


@pytest.mark.parametrize(
    ("options", "workers", "threads"),
    [
        ([], max(2, os.cpu_count() or 2), DEFAULT_THREADS),
        (["--workers", "5", "--threads", "3"], 5, 3),
    ],
)
def test_as_many_workers_and_threads_as_are_asked_for(
    instance: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], workers: int, threads: int
) -> None:
    given: dict[str, object] = {}

    class Recorder:
        def __init__(self, _: str, **settings: object) -> None:
            given.update(settings)

        def serve(self, **_: object) -> None:
            pass

    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
    monkeypatch.setattr("granian.Granian", Recorder)
    monkeypatch.setattr(sys.modules["rybbit.cli.serve"], "keep_workers_listening", lambda: None)
    port = free_port()
    assert CliRunner().invoke(main, ["serve", "--port", str(port), *options]).exit_code == 0
    assert (given["workers"], given["blocking_threads"]) == (workers, threads)
    assert (given["address"], given["port"]) == ("127.0.0.1", port)


@pytest.mark.usefixtures("unserved")
def test_the_owner_of_an_international_domain_has_the_address_that_browsers_send() -> None:
    port = str(free_port())
    result = CliRunner().invoke(main, ["serve", "--port", port, "--domain", "münchen.de"])
    assert _shown("Owner", result.output) == "owner@xn--mnchen-3ya.de"


@pytest.mark.usefixtures("unserved")
def test_an_email_address_without_a_domain_is_said_to_be_of_no_use() -> None:
    arguments = ["serve", "--port", str(free_port()), "--email", "ann@shop.example"]
    assert "--email has no effect without --domain." in CliRunner().invoke(main, arguments).output


class TestNames:
    """Names of several addresses."""

    @staticmethod
    def _name(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        """Have a name stand for addresses, which no real one does on every machine."""
        found = [
            (
                family,
                socket.SOCK_STREAM,
                6,
                "",
                (address, 1, 0, 0) if family == socket.AF_INET6 else (address, 1),
            )
            for address in addresses
            for family in [socket.AF_INET6 if ":" in address else socket.AF_INET]
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: list(found))
        monkeypatch.setattr(sys.modules["rybbit.cli.listening"], "_PORT_PATIENCE_SECONDS", 0)

    def test_the_first_that_the_machine_has_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._name(monkeypatch, "2001:db8::1", "192.0.2.1", "127.0.0.1")
        assert find_address("stats.example", free_port()) == "127.0.0.1"

    def test_a_name_of_another_machine_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._name(monkeypatch, "192.0.2.1", "2001:db8::1")
        with pytest.raises(ClickException, match=r"Cannot listen on stats\.example, port "):
            find_address("stats.example", free_port())

    def test_a_port_that_is_taken_on_one_is_not_taken_on_the_next(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._name(monkeypatch, "127.0.0.1", "127.0.0.2")
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            with pytest.raises(ClickException, match="Cannot listen"):
                find_address("localhost", other.getsockname()[1])


def test_a_name_is_served(instance: Path) -> None:
    nobody = Instance(instance, 1, "", "")
    with running(Server(nobody, arguments=(*SERVE, "--host", "localhost", *FIRST_RUN))) as server:
        assert f"Serving on {server.url}" in server.log()
        assert server.stop() == 0


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
        assert "This instance is set up already: --domain and --email had no effect." in again
        assert "`rybbit site create --domain EXAMPLE.COM` adds a site." in again
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
