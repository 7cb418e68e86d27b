"""`rybbit init`, and which instance every command works on."""

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rybbit import migrations
from tests.cli.conftest import INIT, Shell


class TestInit:
    """`rybbit init`."""

    def test_json_holds_what_a_script_needs(self, shell: Shell) -> None:
        first = shell.json(*INIT)
        assert set(first) == {"organizationId", "siteId", "id", "apiKey", "accountKey", "password"}
        assert first["siteId"] == 1
        assert re.fullmatch(r"[0-9a-f]{12}", first["id"])
        assert all(re.fullmatch(r"rb_[0-9a-f]{32}", first[name]) for name in ("apiKey", "accountKey"))

    def test_a_given_password_is_not_printed(self, shell: Shell) -> None:
        result = shell.run(*INIT, "--password", "correct horse", "--json")
        assert "password" not in json.loads(result.stdout)
        assert "correct horse" not in result.output

    def test_people_get_two_commands_to_paste(self, shell: Shell) -> None:
        text = shell.run(*INIT, "--name", "Blog").stdout
        key = re.search(r"Tracking key +(rb_\w+)", text)
        account_key = re.search(r"Account key +(rb_\w+)", text)
        assert key and account_key
        send, read = (
            shlex.split(part.replace("\\\n", " ")) for part in re.findall(r"^curl .*?'$", text, re.M | re.S)
        )
        assert send[:2] == ["curl", "http://127.0.0.1:8000/api/track"]
        assert f"Authorization: Bearer {key[1]}" in send
        assert json.loads(send[send.index("-d") + 1])["site_id"] == "1"
        assert read[:2] == ["curl", "http://127.0.0.1:8000/api/sites/1/events"]
        assert f"Authorization: Bearer {account_key[1]}" in read

    def test_the_commands_name_the_servers_address(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RYBBIT_BASE_URL", "https://stats.example.com/")
        assert "curl https://stats.example.com/api/track" in shell.run(*INIT).stdout

    @pytest.mark.usefixtures("first")
    def test_a_second_time_it_refuses(self, shell: Shell) -> None:
        result = shell.run("init", "--email", "eve@example.com", "--domain", "eve.example", code=1)
        assert "set up already" in result.stderr
        assert result.stdout == ""
        assert len(shell.json("site", "list")) == 1

    @pytest.mark.parametrize(
        ("option", "value", "named"),
        [
            ("--email", "nobody", "email"),
            ("--domain", "nodot", "domain"),
            ("--password", "short", "password"),
        ],
    )
    def test_unfit_input_makes_no_instance(self, shell: Shell, option: str, value: str, named: str) -> None:
        result = shell.run(*INIT, option, value, code=1)
        assert f"Error: {named}: " in result.stderr
        assert not shell.instance.exists()

    def test_the_folder_is_the_owners_alone(self, shell: Shell, first: Any) -> None:
        assert first
        assert shell.instance.stat().st_mode & 0o077 == 0

    def test_two_at_once_make_one_instance(self, shell: Shell) -> None:
        command = [sys.executable, "-m", "rybbit", *INIT, "--json"]
        pipe = subprocess.PIPE
        processes = [subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe) for _ in range(3)]
        outputs = [process.communicate() for process in processes]
        assert sorted(process.returncode for process in processes) == [0, 1, 1], outputs
        assert len([error for _, error in outputs if "set up already" in error]) == 2
        assert len(shell.json("key", "list")) == 2


class TestInstance:
    """Which instance a command works on."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ("site", "list"),
            ("site", "set", "--site", "1", "public=true"),
            ("key", "list"),
            ("key", "create", "--site", "1"),
            ("key", "revoke", "key_1"),
            ("db", "upgrade"),
            ("geoip", "update"),
        ],
    )
    def test_without_one_a_command_says_how_to_make_it(
        self, shell: Shell, arguments: tuple[str, ...]
    ) -> None:
        result = shell.run(*arguments, code=1)
        assert str(shell.instance) in result.stderr
        assert "rybbit init --email" in result.stderr
        assert "RYBBIT_INSTANCE_PATH" in result.stderr
        assert not shell.instance.exists()

    @pytest.mark.usefixtures("first")
    def test_every_command_names_it_on_standard_error(self, shell: Shell) -> None:
        for arguments in (("site", "list"), ("key", "list"), ("db", "upgrade")):
            assert shell.run(*arguments).stderr.startswith(f"Instance folder: {shell.instance}\n")

    def test_the_empty_folder_of_a_checkout_is_none(
        self, instance: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
        instance.mkdir()
        Shell(instance).run("site", "list", code=1)
        assert list(instance.iterdir()) == []

    @pytest.mark.usefixtures("first")
    def test_a_database_of_another_version_is_not_touched(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrations, "head_revision", lambda: "9999")
        assert "rybbit db upgrade" in shell.run("site", "list", code=1).stderr

    def test_an_unfit_setting_is_named(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RYBBIT_JOURNAL_QUEUE", "many")
        assert "RYBBIT_JOURNAL_QUEUE" in shell.run("site", "list", code=1).stderr

    def test_a_database_that_is_away_is_one_line(
        self, instance: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance.mkdir()
        monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
        monkeypatch.setenv("RYBBIT_SQLALCHEMY_DATABASE_URI", "postgresql://u:hunter2@127.0.0.1:1/none")
        result = Shell(instance).run("site", "list", code=1)
        assert "The database does not do it: " in result.stderr
        assert "hunter2" not in result.output

    def test_a_folder_that_cannot_be_made_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(tmp_path / "file" / "instance"))
        assert str(tmp_path / "file") in Shell(tmp_path).run(*INIT, code=1).stderr


class TestDatabase:
    """`rybbit db upgrade`."""

    @pytest.mark.usefixtures("first")
    def test_an_up_to_date_database_is_left_alone(self, shell: Shell) -> None:
        assert "Up to date" in shell.run("db", "upgrade").stdout
        assert not (shell.instance / "backups").exists()

    def test_an_empty_file_gets_its_tables(self, instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
        instance.mkdir()
        sqlite3.connect(instance / "rybbit.db").close()
        (instance / "rybbit.db").touch()
        shell = Shell(instance)
        assert f"From step 0 to {migrations.head_revision()}" in shell.run("db", "upgrade").stdout
        assert shell.json("site", "list") == []
