"""Settings: one table, from which the environment, the help texts and the documentation are read.

A setting called `track_rate_limit` is `RYBBIT_TRACK_RATE_LIMIT` everywhere outside. Values come, the
later winning, from the defaults, `config.py` in the instance folder, the environment, and what
`create_app` was given. `RYBBIT_X_FILE` names a file that holds the value of `RYBBIT_X`.
"""

import ipaddress
import os
import re
import runpy
import secrets
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from rybbit import paths
from rybbit.errors import ConfigurationError

PREFIX = "RYBBIT_"
MIB = 1024 * 1024
SMTP_TLS = ("starttls", "tls", "none")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_CLUSTER = re.compile(r"[A-Za-z0-9_.-]{1,64}|\{[A-Za-z0-9_]{1,64}\}")
_MEMORY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([kmgt])(i?)b?", re.IGNORECASE)
_SHIPPING = {"journal_file_seconds": 1.0, "move_seconds": 1.0}
_KINDS = {bool: "yes or no", int: "whole number", float: "number", tuple: "list of texts", Path: "path"}
# With less memory the engine refuses what everybody asks, and the mover's batches.
_LEAST_MEMORY, _MOST_MEMORY = 64 * 10**6, 100 * 10**12
# Both ends included. What lies beyond is a slip of the pen, and would show as a failure hours later.
_RANGES: dict[str, tuple[float, float]] = {
    "smtp_port": (1, 65_535),
    "journal_queue": (1, 10_000_000),
    "journal_file_bytes": (1, 2**40),
    "journal_file_seconds": (0.01, 86_400),
    "move_bytes": (1, 2**40),
    "move_seconds": (0, 86_400),
    "compact_files": (1, 1_000_000),
    "erase_hours": (0, 365 * 24),
    "query_threads": (0, 1_024),
}


def _setting(default: Any, text: str, *, kind: type[Any] | None = None) -> Any:
    return field(default=default, metadata={"help": text, "kind": kind or type(default)})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one app, checked; `SETTINGS` lists them with their help texts."""

    instance_path: Path = _setting(Path(), "Folder that holds everything the server keeps.")
    secret_key: str = _setting("", "Signs cookies; made in the instance folder when empty.")
    sqlalchemy_database_uri: str = _setting("", "Control database; a SQLite file when empty.")
    events_url: str = _setting(
        "", "ClickHouse for the events: clickhouse://USER:PASSWORD@HOST/DATABASE; in the instance when empty."
    )
    track_rate_limit: str = _setting("20/second", "Requests a tracking key may make; empty switches it off.")
    browser_rate_limit: str = _setting("1000/second", "Requests without a key that an address may make.")
    login_rate_limit: str = _setting(
        "10/5 minutes", "Tries at the password of one account; empty switches it off."
    )
    login_address_rate_limit: str = _setting(
        "100/5 minutes", "Sign-ins, sign-ups and password resets that an address may try."
    )
    link_rate_limit: str = _setting("20/minute", "Wrong keys of private links that an address may show.")
    ratelimit_storage_uri: str = _setting(
        "rybbit+shared://", "Where limits are counted: this machine, or redis:// for several."
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "Addresses or CIDR ranges, comma separated, whose X-Forwarded-For is believed."
    )
    geoip_database: str = _setting("", "City database in MaxMind's format; the shipped one when empty.")
    geoip_account_id: str = _setting("", "MaxMind account, for `rybbit geoip update`.")
    geoip_license_key: str = _setting("", "MaxMind licence key, for `rybbit geoip update`.")
    disable_signup: bool | None = _setting(
        None, "Whether strangers are kept from making accounts; all but the first when unset.", kind=bool
    )
    base_url: str = _setting("", "Address under which people reach the server, for links.")
    smtp_host: str = _setting("", "Mail server for links; without one they are shown to whoever makes them.")
    smtp_port: int = _setting(587, "Port of the mail server.")
    smtp_username: str = _setting("", "Account at the mail server, if it wants one.")
    smtp_password: str = _setting("", "Password of that account.")
    smtp_from: str = _setting("", "Address that mail comes from.")
    smtp_tls: str = _setting("starttls", "How mail is encrypted: starttls, tls (usually port 465) or none.")
    journal_queue: int = _setting(20_000, "Events a process may keep waiting for the disk; more get 503.")
    journal_file_bytes: int = _setting(16 * MIB, "Size at which a journal file is closed.")
    journal_file_seconds: float = _setting(
        5.0, "Age at which a journal file is closed; 1 with ClickHouse unless set."
    )
    move_bytes: int = _setting(16 * MIB, "Closed journal files of this size together are moved to the store.")
    move_seconds: float = _setting(
        30.0, "Closed journal files of this age are moved to the store; 1 with ClickHouse unless set."
    )
    compact_files: int = _setting(64, "Number of small files in the store that starts a compaction.")
    erase_hours: int = _setting(1, "Hours after which files that the store replaced are removed.")
    query_memory: str = _setting("400MB", "Memory that the statistics engine of one process may use.")
    query_threads: int = _setting(0, "Threads of the statistics engine; 0 is one a core.")
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR.")

    @property
    def database_uri(self) -> str:
        """The control database as SQLAlchemy wants it."""
        return self.sqlalchemy_database_uri or f"sqlite:///{self.instance_path / 'rybbit.db'}"

    @property
    def geo_databases(self) -> tuple[Path, ...]:
        """The city databases, of which the first that exists counts."""
        if self.geoip_database:
            return (Path(self.geoip_database),)
        return self.downloaded_geo_database, paths.geo_database_path()

    @property
    def downloaded_geo_database(self) -> Path:
        """Where `rybbit geoip update` puts what it fetched."""
        return self.instance_path / "geoip" / "city.mmdb"


@dataclass(frozen=True)
class Setting:
    """One row of the table of settings: its name inside, its default, what it is for, and its type."""

    name: str
    default: Any
    help: str
    kind: type[Any]

    @property
    def environment_name(self) -> str:
        """The name of the setting outside: `RYBBIT_` and capitals."""
        return PREFIX + self.name.upper()


SETTINGS = tuple(Setting(row.name, row.default, **row.metadata) for row in fields(Config))


def load_config(overrides: Mapping[str, object] | None = None) -> Config:
    """Read all sources and check every value.

    Args:
        overrides: values by their outside names, such as `{"RYBBIT_TRACK_RATE_LIMIT": ""}`.

    Raises:
        ConfigurationError: a name is unknown or a value unfit; the message names the setting.
    """
    given: dict[str, object] = dict(overrides or {})
    folder = _instance_folder(given)
    raw = _from_file(folder) | _from_environment(os.environ) | given
    raw["RYBBIT_INSTANCE_PATH"] = folder
    known = {setting.environment_name: setting for setting in SETTINGS}
    unknown = sorted(set(raw) - set(known))
    if unknown:
        raise ConfigurationError(f"Unknown setting {unknown[0]}. Known are: {', '.join(sorted(known))}.")
    values: dict[str, Any] = {known[name].name: _convert(known[name], value) for name, value in raw.items()}
    if values.get("events_url"):
        # Other machines see an event only when it is shipped.
        values = _SHIPPING | values
    config = Config(**values)
    _check(config)
    return config


def _instance_folder(given: Mapping[str, object]) -> Path:
    try:
        return Path(str(given.get("RYBBIT_INSTANCE_PATH") or paths.instance_path())).expanduser().resolve()
    except RuntimeError as error:
        raise ConfigurationError(
            "RYBBIT_INSTANCE_PATH: ~ names a home folder that is not known; write the whole path"
        ) from error


def _from_file(folder: Path) -> dict[str, object]:
    path = folder / "config.py"
    if not path.is_file():
        return {}
    try:
        found = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:
        # It is the operator's code, in which anything may go wrong.
        raise ConfigurationError(
            f"{path}{_line_of(error, path)}: {_in_one_line(error)}."
            " The file is Python with lines such as RYBBIT_X = 'value': mend it, or remove it."
        ) from error
    return {name: value for name, value in found.items() if name.startswith(PREFIX)}


def _line_of(error: BaseException, path: Path) -> str:
    """The line of the file at which it failed, as `, line 3`; nothing if that is not known."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}" if error.lineno else ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _in_one_line(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {text}".split()).rstrip(".: ")


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for setting in SETTINGS:
        name = setting.environment_name
        if name in environ:
            found[name] = environ[name]
        elif environ.get(f"{name}_FILE"):
            found[name] = _read_secret(f"{name}_FILE", Path(environ[f"{name}_FILE"]))
    return found


def _read_secret(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: {path} is no text in UTF-8; write the value as text") from error


def _convert(setting: Setting, value: Any) -> Any:
    kind = setting.kind
    if setting.default is None and value in ("", None):
        return None
    if value is None:
        raise ConfigurationError(
            f"{setting.environment_name}: None is no value; leave it out for the default"
        )
    try:
        if kind is bool:
            return _to_bool(value)
        if kind is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(str(part).strip() for part in parts if str(part).strip())
        return Path(str(value)) if issubclass(kind, Path) else kind(value)
    except (TypeError, ValueError, OverflowError) as error:
        wanted = _KINDS.get(kind, kind.__name__)
        raise ConfigurationError(f"{setting.environment_name}: {value!r} is no {wanted}") from error


def _to_bool(value: object) -> bool:
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(text)


def _check(config: Config) -> None:
    for proxy in config.trusted_proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError as error:
            raise ConfigurationError(f"RYBBIT_TRUSTED_PROXIES: {error}") from error
    for name, (least, most) in _RANGES.items():
        value = getattr(config, name)
        # Written so that it holds for nan, of which no comparison is true.
        if not least <= value <= most:
            raise ConfigurationError(f"{PREFIX}{name.upper()}: must be from {least} to {most}, not {value}")
    _check_memory(config.query_memory)
    if config.log_level.upper() not in LOG_LEVELS:
        raise ConfigurationError(
            f"RYBBIT_LOG_LEVEL: must be one of {', '.join(LOG_LEVELS)}, not {config.log_level!r}"
        )
    _check_base_url(config.base_url)
    _check_mail(config)
    if config.events_url:
        parse_events_url(config.events_url, allowed=("clickhouse", "clickhouses"))


def _check_memory(text: str) -> None:
    match = _MEMORY.fullmatch(text.strip())
    size = float(match[1]) * (1024 if match[3] else 1000) ** "_kmgt".index(match[2].lower()) if match else 0
    if not _LEAST_MEMORY <= size <= _MOST_MEMORY:
        raise ConfigurationError(
            f"RYBBIT_QUERY_MEMORY: must be a size from 64MB to 100TB, such as 400MB or 2GB, not {text!r}"
        )


def _check_base_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_fit = not url or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        is_fit = False
    if not is_fit:
        raise ConfigurationError("RYBBIT_BASE_URL: must be an address such as https://stats.example.com")


def _check_mail(config: Config) -> None:
    if config.smtp_tls not in SMTP_TLS:
        raise ConfigurationError(f"RYBBIT_SMTP_TLS: must be one of {', '.join(SMTP_TLS)}")
    if config.smtp_host and not config.smtp_from:
        raise ConfigurationError("RYBBIT_SMTP_FROM: mail needs an address to come from")


@dataclass(frozen=True, kw_only=True)
class EventsAddress:
    """Where a ClickHouse is, taken apart; as text it has no user and no password.

    `path` is the folder of an engine in this process, which tests use.
    """

    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = "default"
    cluster: str = ""
    is_secure: bool = False
    path: str = ""

    @property
    def is_in_process(self) -> bool:
        """Whether there is no server to talk to."""
        return bool(self.path)

    def __str__(self) -> str:
        scheme = "clickhouses" if self.is_secure else "clickhouse"
        place = self.path or f"{self.host}:{self.port}"
        return f"{scheme}://{place}/{self.database}{f'?cluster={self.cluster}' if self.cluster else ''}"


def parse_events_url(
    text: str, *, allowed: tuple[str, ...] = ("clickhouse", "clickhouses", "chdb")
) -> EventsAddress:
    """The address that RYBBIT_EVENTS_URL names; the scheme `chdb` is a folder, for tests.

    Raises:
        ConfigurationError: it is no such address; the message does not repeat it, since it has a password.
    """
    name = f"{PREFIX}EVENTS_URL"
    try:
        parts = urlsplit(text)
        port = parts.port
        options = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError as error:
        raise ConfigurationError(f"{name}: is no address; escape special characters as %XX") from error
    if parts.scheme not in allowed:
        raise ConfigurationError(f"{name}: must begin with clickhouse:// or clickhouses:// (TLS)")
    if parts.scheme == "chdb":
        return EventsAddress(path=parts.path, database=options["database"][0])
    if not parts.hostname or parts.fragment:
        raise ConfigurationError(f"{name}: must name a host, as in clickhouse://HOST:8123/DATABASE")
    database = unquote(parts.path[1:]) or "default"
    if not _NAME.fullmatch(database):
        raise ConfigurationError(f"{name}: a database is named with letters, digits and _")
    if unknown := sorted(set(options) - {"cluster"}):
        raise ConfigurationError(f"{name}: knows no option {unknown[0]!r}, only cluster")
    cluster = options.get("cluster", [""])[-1]
    if cluster and not _CLUSTER.fullmatch(cluster):
        raise ConfigurationError(f"{name}: a cluster is named with letters, digits, _, - and .")
    is_secure = parts.scheme == "clickhouses"
    return EventsAddress(
        host=parts.hostname,
        port=port or (8443 if is_secure else 8123),
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=database,
        cluster=cluster,
        is_secure=is_secure,
    )


def read_or_make_secret(path: Path) -> str:
    """The secret kept in `path`; the first process that asks makes it, and the others read that one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            # A link fails when the name exists, so two first processes cannot end up with two secrets.
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text().strip()
