"""Settings: where they come from, what they may be, and where things lie."""

import os
import stat
import threading
from pathlib import Path

import pytest

from rybbit import paths
from rybbit.config import SETTINGS, Config, load_config, read_or_make_secret
from rybbit.errors import ConfigurationError
from rybbit.store.lake_lines import open_engine


@pytest.fixture(autouse=True)
def _own_instance(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", str(instance))


def test_the_defaults_are_those_of_the_table(instance: Path) -> None:
    assert load_config() == Config(instance_path=instance)


def test_reading_settings_makes_nothing(instance: Path) -> None:
    load_config()
    assert not instance.exists()


def test_every_setting_has_a_help_text_and_an_outside_name() -> None:
    assert all(setting.help.endswith(".") for setting in SETTINGS)
    assert all(setting.environment_name == f"RYBBIT_{setting.name.upper()}" for setting in SETTINGS)


def test_the_later_source_wins(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance.mkdir()
    (instance / "config.py").write_text(
        "import os\nRYBBIT_BASE_URL = 'http://file'\nRYBBIT_LOG_LEVEL = 'DEBUG'\nRYBBIT_MOVE_SECONDS = 1.5\n"
    )
    monkeypatch.setenv("RYBBIT_BASE_URL", "http://other")
    monkeypatch.setenv("RYBBIT_LOG_LEVEL", "WARNING")
    config = load_config({"RYBBIT_LOG_LEVEL": "ERROR"})
    assert (config.move_seconds, config.base_url, config.log_level) == (1.5, "http://other", "ERROR")


def test_a_secret_can_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("hush\n")
    monkeypatch.setenv("RYBBIT_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert load_config().secret_key == "hush"
    monkeypatch.setenv("RYBBIT_SECRET_KEY", "louder")
    assert load_config().secret_key == "louder"


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RYBBIT_SECRET_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="RYBBIT_SECRET_KEY_FILE"):
        load_config()


@pytest.mark.parametrize("text", ["1", "true", "YES", " on "])
def test_a_switch_that_is_on(text: str) -> None:
    assert load_config({"RYBBIT_DISABLE_SIGNUP": text}).disable_signup is True


@pytest.mark.parametrize("text", ["0", "false", "No", "off"])
def test_a_switch_that_is_off(text: str) -> None:
    assert load_config({"RYBBIT_DISABLE_SIGNUP": text}).disable_signup is False


@pytest.mark.parametrize("empty", ["", None])
def test_a_switch_that_may_be_unset(empty: object) -> None:
    """An empty variable must not open sign-up to everybody."""
    assert load_config({"RYBBIT_DISABLE_SIGNUP": empty}).disable_signup is None


def test_a_list_is_separated_by_commas() -> None:
    config = load_config({"RYBBIT_TRUSTED_PROXIES": " 10.0.0.0/8, ::1 ,,"})
    assert config.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RYBBIT_DISABLE_SIGNUP", "perhaps"),
        ("RYBBIT_JOURNAL_QUEUE", "many"),
        ("RYBBIT_JOURNAL_QUEUE", "0"),
        ("RYBBIT_JOURNAL_QUEUE", float("inf")),
        ("RYBBIT_JOURNAL_QUEUE", None),
        ("RYBBIT_JOURNAL_QUEUE", "10000001"),
        ("RYBBIT_JOURNAL_FILE_BYTES", "-1"),
        ("RYBBIT_JOURNAL_FILE_BYTES", "1" + "0" * 30),
        ("RYBBIT_JOURNAL_FILE_SECONDS", "nan"),
        ("RYBBIT_JOURNAL_FILE_SECONDS", "inf"),
        ("RYBBIT_JOURNAL_FILE_SECONDS", "0"),
        ("RYBBIT_MOVE_BYTES", "0"),
        ("RYBBIT_MOVE_SECONDS", "soon"),
        ("RYBBIT_MOVE_SECONDS", "nan"),
        ("RYBBIT_MOVE_SECONDS", "-1"),
        ("RYBBIT_COMPACT_FILES", "0"),
        ("RYBBIT_ERASE_HOURS", "-5"),
        ("RYBBIT_ERASE_HOURS", "9" * 20),
        ("RYBBIT_QUERY_THREADS", "-1"),
        ("RYBBIT_QUERY_THREADS", "100000"),
        *(
            ("RYBBIT_QUERY_MEMORY", size)
            for size in ("", "foo", "0", "400", "-1GB", "80%", "10MB", "9" * 9 + "TB")
        ),
        *(("RYBBIT_LOG_LEVEL", level) for level in ("", "foo", "10", None)),
        *(
            ("RYBBIT_BASE_URL", url)
            for url in ("stats.example.com", "http://", "http://[::1", "http://a:x", None)
        ),
        ("RYBBIT_SMTP_PORT", "65536"),
        ("RYBBIT_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("RYBBIT_TRUSTED_PROXIES", "proxy.example.com"),
    ],
)
def test_an_unfit_value_is_refused_by_the_settings_name(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: ") as refused:
        load_config({name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RYBBIT_MOVE_SECONDS", "0"),
        ("RYBBIT_ERASE_HOURS", "0"),
        ("RYBBIT_JOURNAL_FILE_SECONDS", "0.1"),
        *(("RYBBIT_QUERY_MEMORY", size) for size in ("64MB", "1.5 gb", " 400M ", "64MiB", "100TB")),
        ("RYBBIT_LOG_LEVEL", "debug"),
        ("RYBBIT_BASE_URL", "HTTPS://stats.example.com:8443/below/"),
    ],
)
def test_a_fit_value_is_taken(name: str, value: str) -> None:
    load_config({name: value})


@pytest.mark.parametrize("size", ["64MB", "1.5 gb", " 400M ", "64MiB", "100TB"])
def test_the_engine_takes_every_size_that_the_settings_take(size: str, tmp_path: Path) -> None:
    memory = load_config({"RYBBIT_QUERY_MEMORY": size}).query_memory
    open_engine(memory=memory, threads=1, spill=tmp_path).close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"RYBBIT_X = (", ", line 1: SyntaxError: '(' was never closed."),
        (b"\nRYBBIT_BASE_URL = os.environ['URL']", ", line 2: NameError: name 'os' is not defined."),
        (b"import sys\nsys.exit('no')", ", line 2: SystemExit: no."),
        (b"a = 'x\0'", ": SyntaxError: source code string cannot contain null bytes."),
        (b"a = '\xff'", "SyntaxError: (unicode error)"),
    ],
)
def test_a_file_of_settings_that_cannot_be_run_is_named(instance: Path, text: bytes, told: str) -> None:
    instance.mkdir()
    (instance / "config.py").write_bytes(text)
    with pytest.raises(ConfigurationError) as refused:
        load_config()
    assert str(refused.value).startswith(f"{instance / 'config.py'}")
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_secret_file_that_is_no_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("RYBBIT_SECRET_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ConfigurationError, match=r"^RYBBIT_SECRET_KEY_FILE: "):
        load_config()


def test_a_home_folder_that_nobody_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RYBBIT_INSTANCE_PATH", "~nobody.of.this.name/x")
    with pytest.raises(ConfigurationError, match=r"^RYBBIT_INSTANCE_PATH: "):
        load_config()


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Unknown setting RYBBIT_TYPO"):
        load_config({"RYBBIT_TYPO": "1"})


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "secret"
    found: list[str] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(read_or_make_secret(file))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(found[0]) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_the_instance_folder_that_is_named_comes_first(tmp_path: Path) -> None:
    assert paths.instance_path({"RYBBIT_INSTANCE_PATH": str(tmp_path / "x" / ".." / "y")}) == tmp_path / "y"
    home = paths.instance_path({"RYBBIT_INSTANCE_PATH": "~/y"})
    assert home == Path.home().resolve() / "y"


def _make_checkout(folder: Path) -> None:
    (folder / "rybbit").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    (folder / "rybbit" / "paths.py").touch()


def test_in_a_checkout_it_is_the_folder_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _make_checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert paths.instance_path({}) == tmp_path / "instance"


def test_elsewhere_it_is_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    assert paths.instance_path({"XDG_DATA_HOME": "/data"}) == Path("/data/rybbit")
    assert paths.instance_path({}) == Path.home() / ".local" / "share" / "rybbit"
    monkeypatch.setattr("sys.platform", "darwin")
    assert paths.instance_path({}) == Path.home() / "Library" / "Application Support" / "rybbit"


def test_the_shipped_folders_are_found_inside_the_package_and_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "rybbit"
    monkeypatch.setattr(paths, "PACKAGE", package)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    assert paths.templates_path() == package / "templates"
    _make_checkout(tmp_path)
    assert paths.templates_path() == tmp_path / "templates"
    (package / "templates").mkdir()
    assert paths.templates_path() == package / "templates"


def test_where_the_parts_of_an_instance_lie(instance: Path) -> None:
    config = load_config()
    assert config.database_uri == f"sqlite:///{instance}/rybbit.db"
    assert config.downloaded_geo_database == instance / "geoip" / "city.mmdb"
    assert config.geo_databases == (config.downloaded_geo_database, paths.geo_database_path())
    chosen = load_config({"RYBBIT_GEOIP_DATABASE": "/geo/x.mmdb"})
    assert chosen.geo_databases == (Path("/geo/x.mmdb"),)


def test_the_environment_is_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RYBBIT_BASE_URL", "https://one.example")
    assert load_config().base_url == "https://one.example"
    del os.environ["RYBBIT_BASE_URL"]
    assert load_config().base_url == ""
