"""What was raised becomes an HTTP answer, once for each surface."""

import logging

from flask import Flask, Response, jsonify, request
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException

from rybbit.errors import Conflict, InvalidInput, NotFound, RybbitError, Unavailable

logger = logging.getLogger(__name__)


class Unauthorized(RybbitError):
    """No credential, or one that does not count."""


def register_error_handlers(app: Flask) -> None:
    """Answer errors below `/api/` as JSON."""
    app.register_error_handler(Unauthorized, _unauthorized)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(InvalidInput, _invalid_input)
    app.register_error_handler(Conflict, _conflict)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(exc.OperationalError, _database_away)
    app.register_error_handler(exc.TimeoutError, _database_away)
    app.register_error_handler(HTTPException, _http_error)


def _refusal(status: int, **body: object) -> Response:
    response = jsonify(body)
    response.status_code = status
    return response


def _unauthorized(error: Unauthorized) -> Response:
    response = _refusal(401, error="Unauthorized")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _not_found(error: NotFound) -> Response:
    return _refusal(404, error=str(error))


def _invalid_input(error: InvalidInput) -> Response:
    return _refusal(400, success=False, error="Invalid request data", details=error.details())


def _conflict(error: Conflict) -> Response:
    return _refusal(409, success=False, error=str(error))


def _unavailable(error: Unavailable) -> Response:
    response = _refusal(503, success=False, error=str(error))
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _database_away(error: exc.OperationalError | exc.TimeoutError) -> Response:
    # The message of the error holds statements and values; its kind is enough for a log.
    logger.warning("The control database does not answer: %s", type(error).__name__)
    return _unavailable(Unavailable("The control database does not answer"))


def _http_error(error: HTTPException) -> Response | HTTPException:
    if not request.path.startswith("/api/"):
        return error
    response = _refusal(error.code or 500, success=False, error=error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response
