"""Whether the server is well, which version it is, and what a client must know before it signs in."""

import logging

from flask import Blueprint, Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from rybbit.extensions import db
from rybbit.services.accounts import is_signup_disabled
from rybbit.version import installed_version
from rybbit.web.access import current_runtime
from rybbit.web.api.answers import HealthAnswer, PublicConfigAnswer, VersionAnswer
from rybbit.web.api.description import Caller, describe

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1

blueprint = Blueprint("health", __name__, url_prefix="/api")


@blueprint.get("/health")
@describe("Whether the server is well", answer=HealthAnswer, caller=Caller.ANYBODY)
def health() -> Response:
    """200 when events can be taken in and sites be read, else 503 with Retry-After; each part is named.

    A store of events that does not answer makes it `degraded`: events wait for it in the journal.
    """
    runtime = current_runtime()
    parts = {"database": _database_answers(), "journal": runtime.journal_folder.is_writable()}
    well = all(parts.values())
    parts["events"] = runtime.store.is_well()
    named = {name: "ok" if is_well else "failing" for name, is_well in parts.items()}
    status = "failing" if not well else "ok" if parts["events"] else "degraded"
    response = jsonify({"status": status, **named})
    if not well:
        response.status_code = 503
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return response


@blueprint.get("/version")
@describe("The version of the server", answer=VersionAnswer, caller=Caller.ANYBODY)
def version() -> Response:
    """The version of the server."""
    return jsonify({"version": installed_version()})


@blueprint.get("/config")
@describe("What to know before signing in", answer=PublicConfigAnswer, caller=Caller.ANYBODY)
def config() -> Response:
    """Whether strangers may make an account."""
    return jsonify({"disableSignup": is_signup_disabled(current_runtime().config.disable_signup)})


def _database_answers() -> bool:
    try:
        db.session.execute(text("select 1"))
    except SQLAlchemyError as error:
        logger.warning("The control database does not answer: %s", type(error).__name__)
        return False
    return True
