"""The checks of `rybbit doctor`; each looks at one thing and changes nothing."""

import ipaddress
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError

from rybbit import clock, migrations
from rybbit.cli.instance import has_instance, open_app, require_instance
from rybbit.config import MIB, PREFIX, SETTINGS, Config
from rybbit.database import database_url, make_engine, sqlite_file
from rybbit.errors import ConfigurationError, RybbitError
from rybbit.ingest.geo import GeoDatabase

_SECRETS = {"secret_key", "geoip_license_key", "smtp_password"}
_PASSWORD = re.compile(r"(://[^@/]*:)[^@/]*@")
# Names that the tests of this package use.
_TEST_PREFIX = f"{PREFIX}TEST_"
_LITTLE_DISK = 1024 * MIB
_NO_DISK = 64 * MIB
_OLD_GEO = timedelta(days=180)
_REDIS_SECONDS = 3


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """The result of one check, with a sentence for the operator."""

    level: Level
    topic: str
    text: str

    def as_json(self) -> dict[str, str]:
        """The finding for a program."""
        return {"check": self.topic, "result": self.level.value, "text": self.text}


def shown_settings(config: Config) -> dict[str, str]:
    """Every setting in force by its outside name, without secrets."""
    return {setting.environment_name: _shown(setting.name, config) for setting in SETTINGS}


def examine(config: Config) -> tuple[list[Finding], dict[str, Any]]:
    """Run every check that makes sense, and describe the state of the parts that can be opened."""
    findings = [*_check_names(), *_check_instance(config)]
    state: dict[str, Any] = {}
    if has_instance(config):
        findings += [*_check_database(config), *_check_parts(config, state)]
    findings += [
        *_check_geo(config),
        *_check_limits(config),
        *_check_address(config),
        *_check_proxies(config),
    ]
    return findings, state


def _shown(name: str, config: Config) -> str:
    value = getattr(config, name)
    if name in _SECRETS:
        return "(set)" if value else ""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    text = str(value)
    return text.lower() if isinstance(value, bool) else _PASSWORD.sub(r"\1***@", text)


def _check_names() -> Iterator[Finding]:
    known = {setting.environment_name for setting in SETTINGS}
    known |= {f"{name}_FILE" for name in known}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and not name.startswith(_TEST_PREFIX) and name not in known:
            yield Finding(Level.WARNING, "settings", f"{name} is no setting; it has no effect.")


def _check_instance(config: Config) -> Iterator[Finding]:
    try:
        require_instance(config)
    except ConfigurationError as error:
        yield Finding(Level.ERROR, "instance", str(error))
        return
    folder = config.instance_path
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Finding(Level.OK, "instance", f"{folder} can be written.")
    except OSError as error:
        yield Finding(Level.ERROR, "instance", f"{folder} cannot be written: {error.strerror}.")
        return
    free = shutil.disk_usage(folder).free
    level = Level.ERROR if free < _NO_DISK else Level.WARNING if free < _LITTLE_DISK else Level.OK
    yield Finding(level, "disk", f"{free // MIB:,} MiB are free.")


def _check_database(config: Config) -> Iterator[Finding]:
    engine = make_engine(config)
    shown = engine.url.render_as_string(hide_password=True)
    try:
        revision = migrations.current_revision(engine)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().split("\n")[0]
        yield Finding(Level.ERROR, "database", f"{shown} does not answer: {reason}")
        return
    finally:
        engine.dispose()
    head = migrations.head_revision()
    if revision == head:
        yield Finding(Level.OK, "database", f"{shown} answers and is up to date (step {head}).")
    else:
        step = revision or "0"
        text = f"{shown} is at step {step}, not {head}: run `rybbit db upgrade`."
        yield Finding(Level.ERROR, "database", text)


def _check_parts(config: Config, state: dict[str, Any]) -> Iterator[Finding]:
    """Put the app together, and fill `state` with what its parts say of themselves."""
    # The first worker that starts makes the journal; before that there is nothing to describe.
    has_served = (config.instance_path / "journal").is_dir()
    try:
        with open_app(migrate=False) as app:
            runtime = app.extensions["rybbit"]
            if has_served:
                state.update(runtime.describe())
            elif config.events_url:
                state["store"] = runtime.store.describe()
    except (RybbitError, SQLAlchemyError, OSError) as error:
        yield Finding(Level.ERROR, "server", f"It cannot start: {error}")
        return
    text = "All parts can be opened." if has_served else "It can start; it has not run here yet."
    yield Finding(Level.OK, "server", text)
    yield from _check_store(_part(state, "store"))
    quarantined = _part(state, "journal").get("quarantined", 0)
    if quarantined:
        text = f"{quarantined} files hold lines that could not be read; see journal/quarantine."
        yield Finding(Level.WARNING, "journal", text)


def _check_store(store: Mapping[str, Any]) -> Iterator[Finding]:
    if store.get("engine") != "clickhouse":
        return
    if store["reachable"]:
        text = f"ClickHouse {store['version']} at {store['address']} answers."
        yield Finding(Level.OK, "events", text)
    else:
        text = f"ClickHouse at {store['address']} does not answer: events wait in the journal."
        yield Finding(Level.ERROR, "events", text)


def _part(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = state.get(name)
    return part if isinstance(part, Mapping) else {}


def _check_geo(config: Config) -> Iterator[Finding]:
    found = GeoDatabase(*config.geo_databases).describe()
    if not found["ok"]:
        text = f"{found['path']}: {found['error']}. Events are kept without their places."
        yield Finding(Level.WARNING, "geoip", text)
        return
    built = date.fromisoformat(str(found["build_date"]))
    is_old = clock.now().date() - built > _OLD_GEO
    advice = " It is old: `rybbit geoip update` fetches a new one." if is_old else ""
    text = f"{found['database_type']} of {built} in {found['path']}.{advice}"
    yield Finding(Level.WARNING if is_old else Level.OK, "geoip", text)


def _check_limits(config: Config) -> Iterator[Finding]:
    uri = config.ratelimit_storage_uri
    if not config.track_rate_limit:
        yield Finding(Level.WARNING, "limits", "RYBBIT_TRACK_RATE_LIMIT is empty: keys are not limited.")
    if uri.startswith("memory:"):
        yield Finding(Level.WARNING, "limits", "memory:// counts in each worker: the limits are multiplied.")
    if uri.startswith(("redis:", "rediss:", "unix:")):
        yield _ask_redis(uri)
        if sqlite_file(database_url(config)) is not None:
            text = "Redis is for several machines, but they cannot share a SQLite file: use PostgreSQL."
            yield Finding(Level.WARNING, "database", text)


def _ask_redis(uri: str) -> Finding:
    shown = _PASSWORD.sub(r"\1***@", uri)
    try:
        import redis
    except ImportError:
        return Finding(Level.ERROR, "redis", f"{shown} needs the package: pip install 'rybbit[redis]'.")
    try:
        client = redis.Redis.from_url(
            uri, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        )
        with client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        return Finding(Level.ERROR, "redis", f"{shown} does not answer: {error}")
    return Finding(Level.OK, "redis", f"{shown} answers.")


def _check_address(config: Config) -> Iterator[Finding]:
    if not config.base_url:
        text = "RYBBIT_BASE_URL is empty: links that people are sent cannot name this server."
        yield Finding(Level.WARNING, "address", text)
        return
    parts = urlsplit(config.base_url)
    if parts.scheme == "http" and not _is_local(parts.hostname or ""):
        text = "RYBBIT_BASE_URL is not https: keys and passwords would travel in the clear."
        yield Finding(Level.WARNING, "address", text)
    else:
        yield Finding(Level.OK, "address", f"People reach the server as {config.base_url}.")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_proxies(config: Config) -> Iterator[Finding]:
    if config.trusted_proxies:
        yield Finding(Level.OK, "proxies", f"X-Forwarded-For of {', '.join(config.trusted_proxies)} counts.")
        return
    text = (
        "RYBBIT_TRUSTED_PROXIES is empty: behind a proxy, every visitor would have the address of the proxy."
    )
    yield Finding(Level.WARNING, "proxies", text)
