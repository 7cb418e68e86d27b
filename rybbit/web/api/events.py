"""Raw events of a site, and what the named ones among them were."""

from flask import Blueprint, Response, jsonify

from rybbit import clock
from rybbit.models import Scope
from rybbit.stats.event_reports import (
    event_counts,
    event_names,
    event_properties,
    events_bucketed,
    outbound_clicks,
)
from rybbit.stats.events import event_page
from rybbit.web import params
from rybbit.web.access import sees_addresses
from rybbit.web.api import asking
from rybbit.web.api.answers import (
    BUCKET_QUERY,
    EVENT_NAME_QUERY,
    EVENTS_QUERY,
    QUESTION_QUERY,
    TOP_EVENTS_QUERY,
    EventsAnswer,
    Rows,
)
from rybbit.web.api.description import Caller, describe

blueprint = Blueprint("events", __name__, url_prefix="/api/sites/<site_id>/events")


@blueprint.get("")
@describe("Raw events", answer=EventsAnswer, caller=Caller.VIEWER, scope=Scope.STATS_READ, query=EVENTS_QUERY)
def site_events(site_id: str) -> Response:
    """Raw events, newest first."""
    question = asking.asked(site_id)
    page = question.answer(
        event_page,
        page_size=params.whole_number("page_size", "limit", default=50, least=1, most=1000),
        before_ms=params.moment("before_timestamp", "beforeTimestamp", "cursor"),
        since_ms=params.moment("since_timestamp", "afterTimestamp"),
        with_addresses=question.site.track_ip and sees_addresses(question.site),
    )
    oldest = None if page.oldest_ms is None else clock.to_iso(clock.from_ms(page.oldest_ms))
    return jsonify({"data": page.events, "cursor": {"hasMore": page.has_more, "oldestTimestamp": oldest}})


@blueprint.get("/names")
@describe(
    "Custom events by name",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY,
)
def site_event_names(site_id: str) -> Response:
    """How often custom events of each name happened."""
    question = asking.asked(site_id)
    return asking.rows(question.answer(event_names))


@blueprint.get("/properties")
@describe(
    "Properties of a custom event",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | EVENT_NAME_QUERY,
)
def site_event_properties(site_id: str) -> Response:
    """How often a custom event had each value of each property."""
    question = asking.asked(site_id)
    name = params.text("event_name")
    return asking.rows(question.answer(event_properties, name))


@blueprint.get("/outbound")
@describe(
    "Clicks on links to elsewhere",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY,
)
def site_outbound(site_id: str) -> Response:
    """How often each link to elsewhere was clicked, and when last."""
    question = asking.asked(site_id)
    return asking.rows(question.answer(outbound_clicks))


@blueprint.get("/bucketed")
@describe(
    "The most frequent custom events in the course of time",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | BUCKET_QUERY | TOP_EVENTS_QUERY,
    details="Only buckets in which there was any.",
)
def site_events_bucketed(site_id: str) -> Response:
    """The most frequent custom events, by bucket and name."""
    question = asking.asked(site_id)
    top = params.whole_number("limit", default=5, least=1, most=100)
    return asking.rows(question.answer(events_bucketed, asking.bucket(), limit=top))


@blueprint.get("/count")
@describe(
    "Events by type in the course of time",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | BUCKET_QUERY,
)
def site_event_counts(site_id: str) -> Response:
    """How many events of each type there were in each bucket."""
    question = asking.asked(site_id)
    return asking.rows(question.answer(event_counts, asking.bucket()))
