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

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_CLUSTER = re.compile(r"[A-Za-z0-9_.-]{1,64}|\{[A-Za-z0-9_]{1,64}\}")
_SHIPPING = {"journal_file_seconds": 1.0, "move_seconds": 1.0}


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
    folder = Path(str(given.get("RYBBIT_INSTANCE_PATH") or paths.instance_path())).expanduser().resolve()
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


def _from_file(folder: Path) -> dict[str, object]:
    path = folder / "config.py"
    if not path.is_file():
        return {}
    return {name: value for name, value in runpy.run_path(str(path)).items() if name.startswith(PREFIX)}


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


def _convert(setting: Setting, value: Any) -> Any:
    kind = setting.kind
    if setting.default is None and value in ("", None):
        return None
    try:
        if kind is bool:
            return _to_bool(value)
        if kind is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(str(part).strip() for part in parts if str(part).strip())
        return Path(str(value)) if issubclass(kind, Path) else kind(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{setting.environment_name}: {value!r} is no {kind.__name__}") from error


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
    positive = ("journal_queue", "journal_file_bytes", "journal_file_seconds", "move_bytes", "compact_files")
    for name in positive:
        if getattr(config, name) <= 0:
            raise ConfigurationError(f"{PREFIX}{name.upper()}: must be above 0")
    if config.query_threads < 0:
        raise ConfigurationError("RYBBIT_QUERY_THREADS: must be 0 or more")
    _check_mail(config)
    if config.events_url:
        parse_events_url(config.events_url, allowed=("clickhouse", "clickhouses"))


def _check_mail(config: Config) -> None:
    if config.smtp_tls not in SMTP_TLS:
        raise ConfigurationError(f"RYBBIT_SMTP_TLS: must be one of {', '.join(SMTP_TLS)}")
    if not 1 <= config.smtp_port <= 65535:
        raise ConfigurationError("RYBBIT_SMTP_PORT: must be from 1 to 65535")
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
