"""A small WSGI callable in front of Flask, which takes the one path that must be fast.

Measured, Flask's request handling costs more than half of the throughput of `POST /api/track`.
"""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from rybbit.ingest.answers import Answer
from rybbit.ingest.pipeline import Pipeline
from rybbit.web.api.tracking import Environ, answer_event, headers_and_body, status_line

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

logger = logging.getLogger(__name__)

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
            return self.app(environ, start_response)
        answer = self._answer(environ)
        headers, body = headers_and_body(answer)
        start_response(status_line(answer.status), headers)
        return [body]

    def _answer(self, environ: Environ) -> Answer:
        try:
            return answer_event(environ, self._runtime.pipeline)
        except Exception:
            # What Flask does for every other path: the fault is ours, it is logged, the server goes on.
            logger.exception("A tracking request failed")
            return FAILED
