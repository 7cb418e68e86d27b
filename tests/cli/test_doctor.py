"""`rybbit doctor` and `rybbit geoip`."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rybbit import clock, migrations
from rybbit.config import SETTINGS
from rybbit.extensions import db
from rybbit.factory import create_app
from tests.cli.conftest import INIT, Shell
from tests.faults.server import free_port
from tests.ingest.geo_service import MEMBER, Service, archive_of, running_service
from tests.ingest.mmdb import city_record, encode_database, write_database
from tests.store.clickhouse_http import PASSWORD
from tests.store.clickhouse_parts import SmallServer


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
        assert report["state"] == {}

    @pytest.mark.usefixtures("first")
    def test_an_instance_that_has_served_is_described(self, shell: Shell) -> None:
        app = create_app()
        runtime = app.extensions["rybbit"]
        runtime.journal_folder.create()
        (runtime.journal_folder.quarantine / "line").touch()
        with app.app_context():
            db.engine.dispose()
        report = shell.json("doctor")
        assert report["state"]["journal"]["quarantined"] == 1
        assert "store" in report["state"]
        assert self._checks(report)["journal"] == {"warning"}
        assert "journal.quarantined" in shell.run("doctor").stdout

    @pytest.mark.usefixtures("first")
    def test_clickhouse_is_asked(
        self, shell: Shell, small_server: SmallServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small_server.set_faults()
        url = small_server.url(tmp_path)
        monkeypatch.setenv("RYBBIT_EVENTS_URL", url)
        report = shell.json("doctor")
        assert (self._checks(report)["events"], report["state"]["store"]["reachable"]) == ({"ok"}, True)
        monkeypatch.setenv("RYBBIT_EVENTS_URL", url.replace(f":{small_server.port}", ":1"))
        result = shell.run("doctor", code=1)
        assert "does not answer: events wait in the journal" in result.stdout
        assert quote(PASSWORD, safe="") not in result.output

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

    @pytest.mark.usefixtures("first")
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("RYBBIT_LOG_LEVEL", "foo"),
            ("RYBBIT_LOG_LEVEL", ""),
            ("RYBBIT_QUERY_MEMORY", "foo"),
            ("RYBBIT_BASE_URL", "http://[::1"),
            *(
                ("RYBBIT_RATELIMIT_STORAGE_URI", uri)
                for uri in ("foo", "redis://h:port", "redsi://:hunter2@h/0")
            ),
            ("RYBBIT_LINK_RATE_LIMIT", "often"),
            ("RYBBIT_LINK_RATE_LIMIT", "999999999/second"),
        ],
    )
    def test_an_unfit_setting_is_one_sentence(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        for command in (("doctor",), ("key", "list"), ("serve", "--port", str(free_port()))):
            result = shell.run(*command, code=1)
            assert isinstance(result.exception, SystemExit)
            (line,) = [
                line for line in result.output.splitlines() if f"{name}: " in line or f"{name}=" in line
            ]
            assert line.startswith(("Error: ", "server    error"))
            assert "hunter2" not in result.output

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
        monkeypatch.setattr(migrations, "head_revision", lambda: "9999")
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

    @pytest.mark.usefixtures("first")
    @pytest.mark.parametrize(("days", "result"), [(0, "ok"), (179, "ok"), (181, "warning")])
    def test_the_age_of_the_geo_database(
        self, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, result: str
    ) -> None:
        file = tmp_path / "city.mmdb"
        built = clock.now() - timedelta(days=days)
        write_database(file, {"203.0.113.0/24": city_record("FR")}, build_epoch=int(built.timestamp()))
        monkeypatch.setenv("RYBBIT_GEOIP_DATABASE", str(file))
        (check,) = [check for check in shell.json("doctor")["checks"] if check["check"] == "geoip"]
        assert check["result"] == result
        assert f"GeoLite2-City of {built.date()} in {file}." in check["text"]
        assert ("rybbit geoip update" in check["text"]) == (result == "warning")
        assert str(built.date()) in shell.run("doctor").stdout

    @pytest.mark.usefixtures("first")
    def test_a_geo_database_that_is_away_is_told(
        self, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RYBBIT_GEOIP_DATABASE", str(tmp_path / "gone.mmdb"))
        assert self._checks(shell.json("doctor"))["geoip"] == {"warning"}

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

    @pytest.mark.usefixtures("first")
    def test_it_is_fetched_and_put_in_place(
        self, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("RYBBIT_GEOIP_ACCOUNT_ID", "1")
        monkeypatch.setenv("RYBBIT_GEOIP_LICENSE_KEY", "hunter2")
        database = encode_database({"203.0.113.0/24": city_record("GB")})
        target = shell.instance / "geoip" / "city.mmdb"
        with running_service(Service()) as service:
            service.offer(archive_of((MEMBER, database)))
            result = shell.run("geoip", "update", "--base-url", service.url)
            assert result.stdout == f"GeoLite2-City of 2023-11-14 is in {target}.\n"
            assert result.stderr == f"Instance folder: {shell.instance}\n"
            assert target.read_bytes() == database
            assert f"GeoLite2-City of 2023-11-14 in {target}." in shell.run("doctor").stdout
            monkeypatch.setenv("RYBBIT_GEOIP_DATABASE", str(tmp_path / "other.mmdb"))
            assert "It is not in use" in shell.run("geoip", "update", "--base-url", service.url).stderr
        assert "hunter2" not in result.output
