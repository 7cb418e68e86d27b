"""Every command that works on an instance says which one it is."""

from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from rybbit.cli import main
from tests.cli.conftest import INIT, Shell

# What follows each command; {id} is the id of the site, {key} that of a key. `serve` is in test_serve.py.
COMMANDS = {
    "compact": "",
    "db upgrade": "",
    "doctor": "",
    "geoip update": "--base-url http://127.0.0.1:1",
    "key create": "--site {id}",
    "demo": "--events 10",
    "export": "--site {id} --format csv",
    "import": f"{__file__} --site {{id}}",
    "site erase-user": "--site {id} --user nobody",
    "key list": "",
    "key revoke": "{key}",
    "org create": "Acme --owner ann@example.com",
    "org invite": "--email bob@example.com",
    "org key create": "",
    "org list": "",
    "org member add": "bob@example.com",
    "org member list": "",
    "org member remove": "bob@example.com",
    "org member role": "ann@example.com owner",
    "site create": "--domain other.example",
    "site delete": "{id} --yes",
    "site link": "{id}",
    "site list": "",
    "site set": "--site {id} public=true",
    "site show": "{id}",
    "user create": "--email eve@example.com",
    "user delete": "bob@example.com --yes",
    "user list": "",
    "user password": "ann@example.com --password correct-horse-battery",
    "user reset": "ann@example.com",
}
# What cannot be done here says the folder all the same: there is no MaxMind, Bob is no member, and this file
# holds no events.
REFUSED = {"geoip update", "org member remove", "import"}


def _leaves(command: click.Command, *names: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _leaves(child, *names, name)
    else:
        yield " ".join(names)


def test_every_command_is_listed_here() -> None:
    assert set(_leaves(main)) == {*COMMANDS, "init", "serve", "version"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_the_folder(shell: Shell, first: Any, command: str) -> None:
    shell.run("user", "create", "--email", "bob@example.com")
    key = shell.json("key", "list")[0]["id"]
    arguments = COMMANDS[command].format(id=first["id"], key=key)
    result = shell.run(*command.split(), *arguments.split(), code=1 if command in REFUSED else 0)
    assert result.stderr.startswith(f"Instance folder: {shell.instance}\n")
    assert "Instance folder" not in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_where_there_is_none_it_is_named_and_not_made(shell: Shell, command: str) -> None:
    arguments = COMMANDS[command].format(id="1", key="key_1")
    result = shell.run(*command.split(), *arguments.split(), code=1)
    assert result.stderr.startswith(f"Instance folder: {shell.instance}\n")
    assert not shell.instance.exists()


def test_the_first_run_names_it(shell: Shell) -> None:
    result = shell.run(*INIT)
    assert result.stderr == f"Instance folder: {shell.instance}\n"


def test_the_version_needs_none(shell: Shell) -> None:
    result = CliRunner().invoke(main, ["version"])
    assert (result.exit_code, result.stderr, shell.instance.exists()) == (0, "", False)
