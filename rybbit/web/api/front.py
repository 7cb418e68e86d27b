"""A small WSGI callable in front of Flask, which takes the one path that must be fast.

Measured, Flask's request handling costs more than half of the throughput of `POST /api/track`.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from werkzeug.wsgi import LimitedStream

from rybbit.ingest.answers import Answer
from rybbit.ingest.pipeline import Pipeline
from rybbit.web.api.tracking import Environ, Readable, answer_event, on_wire, stated_length

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

logger = logging.getLogger(__name__)

# Of a body that nobody wanted to read, so much is taken off the wire all the same.
_UNREAD_BYTES = 8 * 1024 * 1024
_PIECE_BYTES = 64 * 1024

FAILED = Answer(500, {"success": False, "error": "Internal server error"})


class Served(Protocol):
    """What the front needs of a runtime."""

    @property
    def pipeline(self) -> Pipeline:
        """What takes events in."""

    def start(self) -> None:
        """Begin the background work of this process, once."""


class TrackFront:
    """Answers `POST /api/track` itself and passes every other request on."""

    def __init__(self, app: "WSGIApplication", runtime: Served) -> None:
        self.app = app
        self._runtime = runtime

    def __call__(self, environ: Environ, start_response: "StartResponse") -> Iterable[bytes]:
        """See PEP 3333."""
        self._runtime.start()
        if environ.get("PATH_INFO") != "/api/track" or environ["REQUEST_METHOD"] != "POST":
            return self._pass_on(environ, start_response)
        answer = self._answer(environ)
        if answer.status == 413:
            _take_rest(_body_of(environ))
        status_line, headers, body = on_wire(answer)
        start_response(status_line, headers)
        return [body]

    def _pass_on(self, environ: Environ, start_response: "StartResponse") -> Iterable[bytes]:
        if not environ.get("CONTENT_LENGTH") and not environ.get("wsgi.input_terminated"):
            return self.app(environ, start_response)
        body = _body_of(environ)
        environ["wsgi.input"] = body
        # Flask reads this very stream, so that what it leaves can be seen.
        environ["wsgi.input_terminated"] = True
        try:
            return self.app(environ, start_response)
        finally:
            _take_rest(body)

    def _answer(self, environ: Environ) -> Answer:
        try:
            return answer_event(environ, self._runtime.pipeline)
        except Exception:
            # What Flask does for every other path: the fault is ours, it is logged, the server goes on.
            logger.exception("A tracking request failed")
            return FAILED


class _Body(LimitedStream):
    """A body of a stated length; where its sender breaks off earlier, it ends."""

    def on_disconnect(self, error: Exception | None = None) -> None:
        """Raise nothing: what has come is judged like any other body."""


def _body_of(environ: Environ) -> Readable:
    if environ.get("wsgi.input_terminated"):
        body: Readable = environ["wsgi.input"]
        return body
    return _Body(environ["wsgi.input"], stated_length(environ))


def _take_rest(body: Readable) -> None:
    """Read what is left of a body, and forget it.

    A server that answers and closes while its client still sends makes the client's system report a broken
    connection in place of the answer.
    """
    left = _UNREAD_BYTES
    with suppress(OSError):
        while left > 0 and (piece := body.read(min(left, _PIECE_BYTES))):
            left -= len(piece)
