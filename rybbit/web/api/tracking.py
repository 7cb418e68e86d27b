"""The wire of `/api/track`: from a WSGI environment to the pipeline, and back. No Flask is needed."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol

from rybbit.ingest.answers import ACCEPTED, Answer
from rybbit.ingest.pipeline import Pipeline
from rybbit.ingest.request import TrackRequest

EVENT_BYTES = 64 * 1024
BATCH_BYTES = 1024 * 1024
MISSING_BODY = b""

_LENGTH_DIGITS = 18
_TOO_LARGE = "The body is larger than {limit} bytes"

CORS_HEADERS = [("Access-Control-Allow-Origin", "*")]
PREFLIGHT_HEADERS = [
    *CORS_HEADERS,
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, Authorization"),
    ("Access-Control-Max-Age", "86400"),
]

Environ = dict[str, Any]


class Readable(Protocol):
    """What a server hands over as the body of a request."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


Wire = tuple[str, list[tuple[str, str]], bytes]


def answer_event(environ: Environ, pipeline: Pipeline) -> Answer:
    """Answer `POST /api/track`."""
    return _answer(environ, pipeline.receive, EVENT_BYTES)


def answer_batch(environ: Environ, pipeline: Pipeline) -> Answer:
    """Answer `POST /api/track/batch`."""
    return _answer(environ, pipeline.receive_batch, BATCH_BYTES)


def _answer(environ: Environ, receive: Callable[[TrackRequest], Answer], limit: int) -> Answer:
    body = read_body(environ, limit)
    if body is None:
        return Answer(413, {"success": False, "error": _TOO_LARGE.format(limit=limit)})
    return receive(_request(environ, body))


def read_body(environ: Environ, limit: int) -> bytes | None:
    """The body of a request; None if it is longer than the limit."""
    stream = environ["wsgi.input"]
    if environ.get("CONTENT_LENGTH"):
        wanted = stated_length(environ)
        return None if wanted > limit else _read_fully(stream, wanted)
    if not environ.get("wsgi.input_terminated"):
        return MISSING_BODY
    body = _read_fully(stream, limit + 1)
    return None if len(body) > limit else body


def stated_length(environ: Environ) -> int:
    """The length that the headers give, in bytes; 0 if they give none that can be read."""
    length = environ.get("CONTENT_LENGTH") or ""
    # Python reads no more than 4300 digits; the first ones say enough.
    return int(length[:_LENGTH_DIGITS]) if length.isascii() and length.isdigit() else 0


def _read_fully(stream: Readable, wanted: int) -> bytes:
    body: bytes = stream.read(wanted)
    # A server may hand over what has come so far, and more at the next call.
    while len(body) < wanted and (more := stream.read(wanted - len(body))):
        body += more
    return body


def _request(environ: Environ, body: bytes) -> TrackRequest:
    get = environ.get
    return TrackRequest(
        body=body,
        content_type=get("CONTENT_TYPE", ""),
        authorization=get("HTTP_AUTHORIZATION", ""),
        origin=get("HTTP_ORIGIN", ""),
        referer=get("HTTP_REFERER", ""),
        user_agent=get("HTTP_USER_AGENT", ""),
        forwarded_for=get("HTTP_X_FORWARDED_FOR", ""),
        peer=get("REMOTE_ADDR", ""),
    )


def on_wire(answer: Answer) -> Wire:
    """An answer as it goes over the wire: status line, headers, body."""
    if answer is ACCEPTED:
        status_line, headers, body = _ACCEPTED
        return status_line, headers.copy(), body
    return _written(answer)


def _written(answer: Answer) -> Wire:
    body = json.dumps(answer.body, separators=(",", ":")).encode()
    headers = [
        *CORS_HEADERS,
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    if answer.retry_after:
        headers.append(("Retry-After", str(answer.retry_after)))
    return f"{answer.status} {HTTPStatus(answer.status).phrase}", headers, body


# Nearly every answer is this one.
_ACCEPTED = _written(ACCEPTED)
