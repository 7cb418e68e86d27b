"""The one place where the app is put together."""

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, has_app_context, request
from sqlalchemy import event

from rybbit import migrations, paths
from rybbit.config import Config, load_config, read_or_make_secret
from rybbit.database import configure_engine, flask_settings, sqlite_file
from rybbit.errors import ConfigurationError
from rybbit.extensions import csrf, db, limiter
from rybbit.ingest.drops import DropKey
from rybbit.limits import check_rates, make_storage, shared_uri, storage_options
from rybbit.runtime import Runtime, Writers
from rybbit.services.drops import record_drops
from rybbit.services.keys import record_key_uses
from rybbit.services.retention import read_limits
from rybbit.web import api, assets, pages, policy
from rybbit.web.api.front import TrackFront
from rybbit.web.errors import register_error_handlers
from rybbit.web.guesses import Guesses


def create_app(config: Mapping[str, object] | None = None, *, migrate: bool = True) -> Flask:
    """Build the server's app.

    Args:
        config: settings by their outside names, which win over the environment.
        migrate: whether to bring the control database up to date.

    Raises:
        ConfigurationError: a setting is unfit, or the instance folder is not in order.
    """
    settings = load_config(config)
    _prepare_folder(settings.instance_path)
    logging.getLogger("rybbit").setLevel(settings.log_level.upper())
    app = Server(
        "rybbit",
        root_path=str(paths.PACKAGE),
        instance_path=str(settings.instance_path),
        template_folder=str(paths.templates_path()),
        # What the build made, and nothing else: in a checkout its sources and packages lie beside it.
        static_folder=str(paths.static_path() / "dist"),
        static_url_path="/static/dist",
    )
    app.config.update(_flask_config(settings))
    # Fields keep the order in which the contract lists them.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _add_database(app, settings, migrate=migrate)
    csrf.init_app(app)
    limiter.init_app(app)
    app.extensions["rybbit_guesses"] = Guesses(settings, limiter.limiter)
    runtime = _add_runtime(app, settings)
    assets.register(app)
    policy.register(app)
    api.register(app)
    pages.register(app)
    register_error_handlers(app)
    app.wsgi_app = TrackFront(app.wsgi_app, runtime)  # type: ignore[method-assign]
    return app


class Server(Flask):
    """The server's app."""

    def log_exception(self, exc_info: Any) -> None:
        """Log a failure by the name of its view: an address can hold the token of a link."""
        self.logger.error("A request failed: %s %s", request.method, request.endpoint, exc_info=exc_info)

    def send_static_file(self, filename: str) -> Response:
        """Send a file that the front-end build made."""
        return assets.send_built(filename)


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"The instance folder {folder} cannot be made: {error.strerror}") from error


def _flask_config(settings: Config) -> dict[str, object]:
    storage = settings.ratelimit_storage_uri
    # Before Flask-Limiter makes it, which has words for programmers only, and before anything is migrated.
    check_rates(settings, make_storage(storage, settings.instance_path / "limits"))
    if storage in ("", "rybbit+shared://"):
        storage = shared_uri(settings.instance_path / "limits")
    return {
        **flask_settings(settings),
        "SECRET_KEY": settings.secret_key or read_or_make_secret(settings.instance_path / "secret_key"),
        "RATELIMIT_STORAGE_URI": storage,
        "RATELIMIT_STORAGE_OPTIONS": storage_options(storage),
        # The signed-in session has a cookie of its own; this one holds what its CSRF token is made of.
        "SESSION_COOKIE_NAME": "rybbit_state",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.base_url.lower().startswith("https://"),
        # A page stays open for days; the token is bound to the session, which ends.
        "WTF_CSRF_TIME_LIMIT": None,
        "MAX_CONTENT_LENGTH": 1024 * 1024,
    }


def _add_database(app: Flask, settings: Config, *, migrate: bool) -> None:
    db.init_app(app)
    with app.app_context():
        configure_engine(db.engine)
        if migrate:
            _refuse_lost_database(settings)
            migrations.upgrade(db.engine, backup_folder=settings.instance_path / "backups")


def _refuse_lost_database(settings: Config) -> None:
    """Refuse an empty database beside events: their sites would be unknown, and the events be lost."""
    events = settings.instance_path / "events" / "_delta_log"
    journal = settings.instance_path / "journal"
    has_events = events.is_dir() or any(journal.glob("*.jsonl")) or any(journal.glob("*.open"))
    if has_events and migrations.current_revision(db.engine) is None:
        file = sqlite_file(db.engine.url)
        raise ConfigurationError(
            f"The instance folder {settings.instance_path} holds events, but the control database"
            f" {file or db.engine.url.render_as_string()} is empty: their sites would be unknown."
            " Restore the database, or move the events away."
        )


def _add_runtime(app: Flask, settings: Config) -> Runtime:
    with app.app_context():
        engine = db.engine

    def write_drops(counts: Mapping[DropKey, int]) -> None:
        with engine.begin() as connection:
            record_drops(connection, counts)

    def write_key_uses(uses: Mapping[str, datetime]) -> None:
        with engine.begin() as connection:
            record_key_uses(connection, uses)

    def read_retention() -> Mapping[int, int]:
        with engine.connect() as connection:
            return read_limits(connection)

    runtime = Runtime(settings, engine, limiter.limiter, Writers(write_drops, write_key_uses, read_retention))
    app.extensions["rybbit"] = runtime
    return runtime


@event.listens_for(db.session, "after_commit")
def _forget_what_changed(_session: object) -> None:
    """A change counts at once in the process that made it; the others look every half second."""
    runtime = current_app.extensions.get("rybbit") if has_app_context() else None
    if isinstance(runtime, Runtime):
        runtime.directory.forget()
