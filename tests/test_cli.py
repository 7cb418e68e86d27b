"""The commands, run as a person or a script runs them."""

import json
import re
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rybbit import migrations
from rybbit.cli import main
from rybbit.config import SETTINGS
from tests.conftest import DATABASES, empty_database

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
        monkeypatch.setattr(migrations, "head_revision", lambda: "0002")
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


class TestKeys:
    """`rybbit key`."""

    def test_a_key_is_made_for_either_identifier(self, shell: Shell, first: Any) -> None:
        for site in (str(first["siteId"]), first["id"]):
            (made,) = shell.json("key", "create", "--site", site)
            assert set(made) == {"id", "name", "apiKey"}
            assert re.fullmatch(r"rb_[0-9a-f]{32}", made["apiKey"])

    @pytest.mark.usefixtures("first")
    def test_several_keys_are_numbered(self, shell: Shell) -> None:
        made = shell.json("key", "create", "--site", "1", "--count", "3", "--name", "load")
        assert [key["name"] for key in made] == ["load 1", "load 2", "load 3"]
        assert len({key["apiKey"] for key in made}) == 3
        listed = shell.json("key", "list", "--site", "1")
        assert {key["id"] for key in made} < {key["id"] for key in listed}

    @pytest.mark.usefixtures("first")
    def test_the_list_tells_no_key(self, shell: Shell) -> None:
        (made,) = shell.json("key", "create", "--site", "1", "--name", "ci")
        output = shell.run("key", "list").output + shell.run("key", "list", "--json").output
        assert made["id"] in output
        assert made["apiKey"] not in output

    @pytest.mark.usefixtures("first")
    def test_a_revoked_key_is_marked(self, shell: Shell) -> None:
        (made,) = shell.json("key", "create", "--site", "1")
        shell.run("key", "revoke", made["id"])
        revoked = {key["id"] for key in shell.json("key", "list") if key["revokedAt"]}
        assert revoked == {made["id"]}

    @pytest.mark.usefixtures("first")
    def test_what_does_not_exist_is_told(self, shell: Shell) -> None:
        assert "Site not found" in shell.run("key", "create", "--site", "99", code=1).stderr
        assert "Key not found" in shell.run("key", "revoke", "key_none", code=1).stderr

    @pytest.mark.usefixtures("first")
    def test_a_name_cannot_steer_the_terminal(self, shell: Shell) -> None:
        shell.run("key", "create", "--site", "1", "--name", "a\x1b[2Jb")
        assert "\x1b" not in shell.run("key", "list").output


class TestSites:
    """`rybbit site`."""

    @pytest.mark.usefixtures("first")
    def test_settings_are_set_by_either_name(self, shell: Shell) -> None:
        changes = (
            "blockBots=no",
            "track_ip=ON",
            "excluded_ips=10.0.0.0/8, 192.0.2.1",
            "excludedCountries=DE",
        )
        settings = shell.json("site", "set", "--site", "1", *changes)
        assert (settings["blockBots"], settings["trackIp"]) == (False, True)
        assert settings["excludedIPs"] == ["10.0.0.0/8", "192.0.2.1"]
        assert settings["excludedCountries"] == ["DE"]
        (site,) = shell.json("site", "list")
        assert {name: site[name] for name in settings} == settings

    @pytest.mark.usefixtures("first")
    def test_what_is_printed_can_be_given_back(self, shell: Shell) -> None:
        lines = shell.run("site", "set", "--site", "1", "excludedIPs=10.0.0.1,10.0.0.2").stdout.splitlines()[
            1:
        ]
        written = [f"{name}={''.join(value)}" for name, *value in (line.split() for line in lines)]
        before = shell.json("site", "list")
        shell.run("site", "set", "--site", "1", *written)
        assert shell.json("site", "list") == before

    @pytest.mark.usefixtures("first")
    def test_an_empty_value_empties_a_list(self, shell: Shell) -> None:
        shell.run("site", "set", "--site", "1", "excludedIPs=10.0.0.1")
        assert shell.json("site", "set", "--site", "1", "excludedIPs=")["excludedIPs"] == []

    @pytest.mark.usefixtures("first")
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("blockBots=maybe", "blockBots: Expected boolean, received string"),
            ("excludedIPs=10.0.0.1,nonsense", "nonsense: not an IP address"),
            ("domain=nodot", "domain: Must be a host name with a dot"),
            ("name=", "name: "),
            ("foo=1", "foo: Unrecognized field"),
            ("public", "write it as NAME=VALUE"),
        ],
    )
    def test_a_mistake_is_named_and_nothing_is_changed(self, shell: Shell, change: str, message: str) -> None:
        before = shell.json("site", "list")
        result = shell.run("site", "set", "--site", "1", "public=true", change, code=1)
        assert message in result.stderr
        assert shell.json("site", "list") == before

    @pytest.mark.usefixtures("first")
    def test_a_setting_is_given_once(self, shell: Shell) -> None:
        result = shell.run("site", "set", "--site", "1", "blockBots=no", "block_bots=yes", code=1)
        assert "blockBots: Given twice" in result.stderr

    @pytest.mark.usefixtures("first")
    def test_a_site_keeps_its_domain_or_moves(self, shell: Shell) -> None:
        assert (
            shell.json("site", "set", "--site", "1", "domain=https://Other.example/")["domain"]
            == "other.example"
        )


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
        assert "From step 0 to 0001" in shell.run("db", "upgrade").stdout
        assert shell.json("site", "list") == []


class TestDoctor:
    """`rybbit doctor`."""

    @staticmethod
    def _checks(report: Any) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for check in report["checks"]:
            found.setdefault(check["check"], set()).add(check["result"])
        return found

    @pytest.mark.usefixtures("first")
    def test_a_fresh_instance_works_and_is_not_ready_for_production(self, shell: Shell) -> None:
        report = shell.json("doctor")
        checks = self._checks(report)
        assert checks["instance"] == checks["database"] == checks["server"] == {"ok"}
        assert checks["address"] == checks["proxies"] == {"warning"}
        assert report["instance"] == str(shell.instance)
        assert set(report["settings"]) == {setting.environment_name for setting in SETTINGS}
        assert set(report["state"]) >= {"journal", "store"}

    @pytest.mark.usefixtures("first")
    def test_people_get_the_same(self, shell: Shell) -> None:
        text = shell.run("doctor").stdout
        assert "RYBBIT_TRACK_RATE_LIMIT" in text
        assert "RYBBIT_BASE_URL is empty" in text

    @pytest.mark.usefixtures("first")
    def test_what_is_well_set_is_ok(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RYBBIT_BASE_URL", "https://stats.example.com")
        monkeypatch.setenv("RYBBIT_TRUSTED_PROXIES", "10.0.0.0/8")
        checks = self._checks(shell.json("doctor"))
        assert checks["address"] == checks["proxies"] == {"ok"}

    @pytest.mark.usefixtures("first")
    @pytest.mark.parametrize(
        ("name", "value", "topic", "result"),
        [
            ("RYBBIT_TYPO", "1", "settings", "warning"),
            ("RYBBIT_BASE_URL", "http://stats.example.com", "address", "warning"),
            ("RYBBIT_BASE_URL", "http://127.0.0.1:8000", "address", "ok"),
            ("RYBBIT_TRACK_RATE_LIMIT", "", "limits", "warning"),
            ("RYBBIT_RATELIMIT_STORAGE_URI", "memory://", "limits", "warning"),
        ],
    )
    def test_a_doubtful_setting(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, value: str, topic: str, result: str
    ) -> None:
        monkeypatch.setenv(name, value)
        assert self._checks(shell.json("doctor"))[topic] == {result}

    def test_secrets_are_not_shown(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        shell.json(*INIT)
        monkeypatch.setenv("RYBBIT_SECRET_KEY", "hunter2")
        monkeypatch.setenv("RYBBIT_GEOIP_LICENSE_KEY", "hunter2")
        monkeypatch.setenv("RYBBIT_RATELIMIT_STORAGE_URI", "redis://:hunter2@127.0.0.1:1/0")
        result = shell.run("doctor", "--json", code=1)
        assert "hunter2" not in result.output
        assert json.loads(result.stdout)["settings"]["RYBBIT_SECRET_KEY"] == "(set)"

    @pytest.mark.usefixtures("first")
    def test_redis_that_is_away_is_an_error(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RYBBIT_RATELIMIT_STORAGE_URI", "redis://127.0.0.1:1/0")
        assert self._checks(json.loads(shell.run("doctor", "--json", code=1).stdout))["redis"] == {"error"}

    @pytest.mark.usefixtures("first")
    def test_a_database_of_another_version_is_an_error(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrations, "head_revision", lambda: "0002")
        assert "rybbit db upgrade" in shell.run("doctor", code=1).stdout

    def test_a_database_that_is_away_is_an_error(
        self, instance: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance.mkdir()
        monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))
        monkeypatch.setenv("RYBBIT_SQLALCHEMY_DATABASE_URI", "postgresql://u:hunter2@127.0.0.1:1/none")
        result = Shell(instance).run("doctor", "--json", code=1)
        assert self._checks(json.loads(result.stdout))["database"] == {"error"}
        assert "hunter2" not in result.output

    def test_without_an_instance_it_says_so_and_makes_none(self, shell: Shell) -> None:
        result = shell.run("doctor", "--json", code=1)
        assert self._checks(json.loads(result.stdout))["instance"] == {"error"}
        assert not shell.instance.exists()


class TestGeoip:
    """`rybbit geoip update`."""

    @pytest.mark.usefixtures("first")
    def test_without_an_account_it_says_what_to_set(self, shell: Shell) -> None:
        result = shell.run("geoip", "update", code=1)
        assert "RYBBIT_GEOIP_ACCOUNT_ID and RYBBIT_GEOIP_LICENSE_KEY" in result.stderr

    @pytest.mark.usefixtures("first")
    def test_a_service_that_is_away_is_told(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RYBBIT_GEOIP_ACCOUNT_ID", "1")
        monkeypatch.setenv("RYBBIT_GEOIP_LICENSE_KEY", "hunter2")
        result = shell.run("geoip", "update", "--base-url", "http://127.0.0.1:1", code=1)
        assert "nothing was changed" in result.stderr
        assert "hunter2" not in result.output


def test_the_version_is_printed_at_once() -> None:
    command = [sys.executable, "-m", "rybbit", "version"]
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        printed = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(time.monotonic() - start)
        assert printed.stdout.strip()
        assert printed.stderr == ""
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
