"""A Flask app with everything that apps have, for the server to be mounted in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, flash, get_flashed_messages, session
from flask.testing import FlaskClient
from flask_limiter import Limiter
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from rybbit import Rybbit
from tests.web.world import Tenant, World

PREFIX = "/analytics"


class Base(DeclarativeBase):
    """The host's own models."""


host_db = SQLAlchemy(model_class=Base)


class Note(Base):
    """Something of the host's."""

    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(50))


@dataclass
class Host:
    """An app with everything that apps have, and the server in it."""

    app: Flask
    rybbit: Rybbit
    world: World
    tenant: Tenant

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def stored(self) -> list[dict[str, Any]]:
        return self.world.stored(self.tenant)


def make_host_app(folder: Path) -> Flask:
    """A host that uses the same extensions as the server does, each in its own way."""
    app = Flask("host")
    app.config.update(
        SECRET_KEY="the host's own",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'host.db'}",
        WTF_CSRF_TIME_LIMIT=None,
        SESSION_COOKIE_NAME="host_session",
        MAX_CONTENT_LENGTH=100,
        TESTING=True,
    )
    host_db.init_app(app)
    CSRFProtect(app)
    Limiter(lambda: "everybody", app=app, default_limits=["5/day"], storage_uri="memory://")
    with app.app_context():
        host_db.create_all()

    @app.get("/")
    def home() -> str:
        session["visits"] = session.get("visits", 0) + 1
        host_db.session.add(Note(text="visit"))
        host_db.session.commit()
        return f"{session['visits']} {host_db.session.query(Note).count()}"

    @app.post("/form")
    def form() -> str:
        return "no token was asked for"

    @app.get("/flash")
    def flashing() -> str:
        flash("hello")
        return str(get_flashed_messages())

    @app.get("/teapot")
    def teapot() -> Response:
        abort(418)

    @app.errorhandler(404)
    def not_found(_: Exception) -> tuple[str, int]:
        return "the host's own page", 404

    @app.errorhandler(418)
    def is_teapot(_: Exception) -> tuple[str, int]:
        return "the host's own teapot", 418

    return app
