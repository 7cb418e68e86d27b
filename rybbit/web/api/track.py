"""`/api/track` and `/api/track/batch` as Flask views.

The front answers the first of them itself; this is the same for whoever calls the Flask app without it,
and for everything that need not be fast.
"""

from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from rybbit.ingest.answers import Answer
from rybbit.ingest.credential import host_of
from rybbit.ingest.payload_fields import BatchBody, Event
from rybbit.services.sites import has_pages_of
from rybbit.web.access import current_runtime
from rybbit.web.api.answers import BatchAnswer, TrackAnswer
from rybbit.web.api.description import Caller, describe
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
@describe(
    "Take an event in",
    answer=TrackAnswer,
    body=Event,
    caller=Caller.ANYBODY,
    refusals=(403, 404, 415, 429),
    details="With a tracking key in `api_key` or as a bearer, or from a page of the site's domain.",
)
def track() -> Response:
    """Take one event in."""
    return _response(answer_event(request.environ, current_runtime().pipeline))


@blueprint.post("/track/batch", provide_automatic_options=False)
@describe(
    "Take up to 500 events in",
    answer=BatchAnswer,
    body=BatchBody,
    caller=Caller.ANYBODY,
    refusals=(403, 404, 415, 429),
    details="The outer `site_id` and `api_key` are defaults for each event; the good ones are stored"
    " all or none.",
)
def track_batch() -> Response:
    """Take up to 500 events in."""
    return _response(answer_batch(request.environ, current_runtime().pipeline))


@blueprint.route("/track", methods=["OPTIONS"])
@blueprint.route("/track/batch", methods=["OPTIONS"])
def preflight() -> Response:
    """Let pages of any origin ask; the domain check decides.

    A beacon, as the published web SDK sends its events, is always sent "with credentials", and then
    browsers take no wildcard (https://fetch.spec.whatwg.org/#cors-check). So pages of our sites are
    named; the cookies are not looked at, and ours are not sent from other sites anyway.
    """
    response = Response(status=204, headers=PREFLIGHT_HEADERS)
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if _is_page_of_ours(origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
    return response


@blueprint.after_app_request
def let_pages_read_errors(response: Response) -> Response:
    """Let a page of any origin read also the answers that no view here made: 405, 500."""
    if request.path in _PATHS:
        for name, value in CORS_HEADERS:
            response.headers.setdefault(name, value)
    return response


def _is_page_of_ours(origin: str) -> bool:
    try:
        return has_pages_of(host_of(origin))
    except SQLAlchemyError:
        # Events of sites that are remembered come in while the database is away.
        return False


def _response(answer: Answer) -> Response:
    status_line, headers, body = on_wire(answer)
    return Response(body, status_line, headers)
