"""`/api/track` and `/api/track/batch` as Flask views.

The front answers the first of them itself; this is the same for whoever calls the Flask app without it,
and for everything that need not be fast.
"""

from flask import Blueprint, Response, request

from rybbit.ingest.answers import Answer
from rybbit.web.access import current_runtime
from rybbit.web.api.tracking import (
    CORS_HEADERS,
    PREFLIGHT_HEADERS,
    answer_batch,
    answer_event,
    on_wire,
)

blueprint = Blueprint("track", __name__, url_prefix="/api")

_PATHS = ("/api/track", "/api/track/batch")


# Flask's own answer to OPTIONS would come before `preflight`, and names no headers.
@blueprint.post("/track", provide_automatic_options=False)
def track() -> Response:
    """Take one event in."""
    return _response(answer_event(request.environ, current_runtime().pipeline))


@blueprint.post("/track/batch", provide_automatic_options=False)
def track_batch() -> Response:
    """Take up to 500 events in."""
    return _response(answer_batch(request.environ, current_runtime().pipeline))


@blueprint.route("/track", methods=["OPTIONS"])
@blueprint.route("/track/batch", methods=["OPTIONS"])
def preflight() -> Response:
    """Let pages of any origin ask; the domain check decides."""
    return Response(status=204, headers=PREFLIGHT_HEADERS)


@blueprint.after_app_request
def let_pages_read_errors(response: Response) -> Response:
    """Let a page of any origin read also the answers that no view here made: 405, 500."""
    if request.path in _PATHS:
        for name, value in CORS_HEADERS:
            response.headers.setdefault(name, value)
    return response


def _response(answer: Answer) -> Response:
    status_line, headers, body = on_wire(answer)
    return Response(body, status_line, headers)
