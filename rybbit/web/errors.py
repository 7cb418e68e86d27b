"""What was raised becomes an HTTP answer, once for each surface."""

import logging
from typing import cast

from flask import Flask, Response, jsonify, request
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from rybbit.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    RybbitError,
    Unavailable,
)
from rybbit.services.sign_in import WrongCredentials
from rybbit.services.site_settings import InvalidPatterns, NothingToChange
from rybbit.web.error_pages import show_error

logger = logging.getLogger(__name__)


class Unauthorized(RybbitError):
    """No credential, or one that does not count."""


class InsufficientScope(RybbitError):
    """The key is limited to less than this needs."""

    def __init__(self, required: str) -> None:
        super().__init__(required)
        self.required = required


class TooManyRequests(RybbitError):
    """A limit is reached; in `retry_after` seconds it may not be any more."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def register_error_handlers(app: Flask) -> None:
    """Answer errors below `/api/` as JSON, and others as pages."""
    app.register_error_handler(Unauthorized, _unauthorized)
    app.register_error_handler(WrongCredentials, _wrong_credentials)
    app.register_error_handler(Forbidden, _forbidden)
    app.register_error_handler(InsufficientScope, _insufficient_scope)
    app.register_error_handler(TooManyRequests, _too_many_requests)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(InvalidInput, _invalid_input)
    app.register_error_handler(InvalidPatterns, _invalid_patterns)
    app.register_error_handler(NothingToChange, _nothing_to_change)
    app.register_error_handler(Conflict, _conflict)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(IntegrityError, _overtaken)
    app.register_error_handler(OperationalError, _database_failure)
    app.register_error_handler(PoolTimeout, _database_failure)
    app.register_error_handler(HTTPException, _http_error)


def _refusal(status: int, **body: object) -> Response:
    if not request.path.startswith("/api/"):
        return show_error(status, str(body["error"]))
    response = jsonify(body)
    response.status_code = status
    return response


def _unauthorized(error: Unauthorized) -> Response:
    response = _refusal(401, error="Unauthorized")
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _wrong_credentials(error: WrongCredentials) -> Response:
    return _refusal(401, success=False, error=str(error))


def _forbidden(error: Forbidden) -> Response:
    return _refusal(403, error=str(error))


def _insufficient_scope(error: InsufficientScope) -> Response:
    return _refusal(403, error="Insufficient scope", required=error.required)


def _too_many_requests(error: TooManyRequests) -> Response:
    response = _refusal(429, success=False, error=str(error))
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _not_found(error: NotFound) -> Response:
    return _refusal(404, error=str(error))


def _invalid_input(error: InvalidInput) -> Response:
    return _refusal(400, success=False, error="Invalid request data", details=error.details())


def _invalid_patterns(error: InvalidPatterns) -> Response:
    return _refusal(400, success=False, error="Invalid IP patterns", details=error.patterns)


def _nothing_to_change(error: NothingToChange) -> Response:
    return _refusal(400, success=False, error=error.form_errors[0])


def _conflict(error: Conflict) -> Response:
    return _refusal(409, success=False, error=str(error))


def _unavailable(error: Unavailable) -> Response:
    response = _refusal(503, success=False, error=str(error))
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def _overtaken(error: IntegrityError) -> Response:
    """Two changes met at the commit, and the database refused the second of them."""
    logger.warning("A change contradicts one made meanwhile: %s", type(error.orig).__name__)
    return _conflict(Conflict("Somebody changed this at the same time; try again"))


def _database_failure(error: OperationalError | PoolTimeout) -> Response:
    """The database is away, or too slow. Its message may hold values, so it is not logged."""
    logger.warning("The control database does not answer: %s", type(error).__name__)
    return _unavailable(Unavailable("The control database does not answer"))


def _http_error(error: HTTPException) -> Response:
    is_page = not request.path.startswith("/api/")
    if is_page and error.code is not None and error.code < 400:
        # A redirect of the router, as to the same path with a slash at its end.
        return cast(Response, Response.force_type(error.get_response()))
    if is_page:
        return _with_headers_of(error, show_error(error.code or 500))
    return _with_headers_of(
        error, _refusal(error.code or 500, success=False, error=error.description or error.name)
    )


def _with_headers_of(error: HTTPException, response: Response) -> Response:
    """Keep what the error says in headers, such as the methods that are allowed."""
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response
