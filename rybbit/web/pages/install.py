"""How events get to a site, and whether the first one has."""

import shlex
from html import escape
from typing import Any

from flask import Blueprint, Response, make_response, request, url_for

from rybbit.extensions import db
from rybbit.services import keys
from rybbit.stats.live import has_data
from rybbit.web.access import current_runtime
from rybbit.web.htmx import add_toast, is_partial, lead_to, show
from rybbit.web.pages.guards import current_person, current_site

blueprint = Blueprint("install", __name__, url_prefix="/install")
changes = Blueprint("install", __name__, url_prefix="/install")

_PAGE = "install/index.html"
_STATUS, _COMMAND = "install/_status.html", "install/_command.html"
_NO_KEY = "rb_YOUR_KEY"


@blueprint.get("")
def index() -> Response:
    """The tag for the site's pages, the command that sends an event, and the state of things."""
    return show(_PAGE, **_context())


@blueprint.get("/status")
def status() -> Response:
    """What a waiting page asks for; an answer without content keeps it as it is, and waiting."""
    if not is_partial():
        return lead_to(url_for(".index"))
    arrived = _has_data()
    return show(_PAGE, _STATUS, arrived=True) if arrived else make_response("", 204)


@changes.post("/key")
def make_key() -> Response:
    """Make a key, and show the command with it this once."""
    _, token = keys.create_tracking_key(current_site(), name="First events", actor=current_person())
    db.session.commit()
    add_toast("Key made")
    return show(_PAGE, _COMMAND, **_context(token))


def _context(token: str | None = None) -> dict[str, Any]:
    return {"arrived": _has_data(), "tag": _tag(), "command": _command(token or _NO_KEY), "token": token}


def _has_data() -> bool:
    return has_data(current_runtime().store, current_site().site_id)


def _tag() -> str:
    """What the pages of the site need for the tracking script."""
    source = escape(_address_of("/api/script.js"))
    return f'<script src="{source}" async data-site-id="{current_site().id}"></script>'


def _address_of(path: str) -> str:
    """Where browsers and programs elsewhere find this server."""
    address = current_runtime().config.base_url or request.url_root
    return address.rstrip("/") + path


def _command(token: str) -> str:
    """A command for a shell that sends one pageview."""
    event = f'{{"site_id": "{current_site().site_id}", "type": "pageview", "pathname": "/"}}'
    lines = [
        f"curl {shlex.quote(_address_of('/api/track'))}",
        "  -H 'Content-Type: application/json'",
        f"  -H 'Authorization: Bearer {token}'",
        f"  -d '{event}'",
    ]
    return " \\\n".join(lines)
