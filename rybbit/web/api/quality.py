"""How well a site works for its visitors: web vitals, and errors in their browsers."""

from flask import Blueprint, Response, request

from rybbit.errors import InvalidInput
from rybbit.models import Scope
from rybbit.stats.dimensions import Dimension, Level, find_dimension
from rybbit.stats.error_reports import error_events, error_names, errors_bucketed
from rybbit.stats.vitals import FIGURES, vitals, vitals_bucketed, vitals_by
from rybbit.web import params
from rybbit.web.api import asking
from rybbit.web.api.answers import (
    BUCKET_QUERY,
    ERROR_QUERY,
    PAGES_QUERY,
    QUESTION_QUERY,
    VITALS_QUERY,
    OneAnswer,
    PageAnswer,
    Rows,
)
from rybbit.web.api.description import Caller, describe

blueprint = Blueprint("quality", __name__, url_prefix="/api/sites/<site_id>")


@blueprint.get("/performance/overview")
@describe(
    "Web vitals",
    answer=OneAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY,
    details="Mean and quantiles of each vital, null without data; times in milliseconds.",
)
def site_performance(site_id: str) -> Response:
    """Web vitals over the whole period."""
    question = asking.asked(site_id)
    return asking.rows(question.answer(vitals))


@blueprint.get("/performance/time-series")
@describe(
    "Web vitals in the course of time",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | BUCKET_QUERY,
)
def site_performance_bucketed(site_id: str) -> Response:
    """Web vitals of each bucket."""
    question = asking.asked(site_id)
    return asking.rows(question.answer(vitals_bucketed, asking.bucket()))


@blueprint.get("/performance/by-dimension")
@describe(
    "Web vitals by a dimension",
    answer=PageAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | PAGES_QUERY | VITALS_QUERY,
    details="Rows have the value as `value`, and again under the name of the dimension.",
)
def site_performance_by_dimension(site_id: str) -> Response:
    """Web vitals by page, country, browser or any other dimension of events."""
    question = asking.asked(site_id)
    dimension = _dimension()
    sort_by = params.choice(
        "sort_by", (*FIGURES, "event_count", "value", dimension.name), default="event_count"
    )
    found = question.answer(
        vitals_by,
        dimension,
        limit=asking.limit(),
        page=asking.page_number(),
        sort_by="value" if sort_by == dimension.name else sort_by,
        descending=params.choice("sort_order", ("asc", "desc"), default="desc") == "desc",
    )
    return asking.page(found)


def _dimension() -> Dimension:
    dimension = find_dimension(params.text("dimension"), field_name="dimension")
    if dimension.level is Level.VISIT:
        raise InvalidInput({"dimension": [f"{dimension.name} is no property of a single event"]})
    return dimension


@blueprint.get("/error-names")
@describe(
    "Errors by message",
    answer=PageAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | PAGES_QUERY,
)
def site_error_names(site_id: str) -> Response:
    """How often each error happened, and in how many sessions."""
    question = asking.asked(site_id)
    found = question.answer(error_names, limit=asking.limit(), page=asking.page_number())
    return asking.page(found)


@blueprint.get("/error-events")
@describe(
    "Errors of a message one by one",
    answer=OneAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | PAGES_QUERY | ERROR_QUERY,
    details="`data` is the list of rows; with `page` an object that has them as `data`, and `totalCount`.",
)
def site_error_events(site_id: str) -> Response:
    """Errors of a message, the newest first, with stack and place in the code."""
    question = asking.asked(site_id)
    found = question.answer(
        error_events,
        _message(),
        limit=asking.limit(20),
        page=asking.page_number(),
    )
    # So have programs known it that were written before there were pages.
    return asking.page(found) if request.args.get("page") else asking.rows(found.rows)


@blueprint.get("/error-bucketed")
@describe(
    "Errors of a message in the course of time",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | BUCKET_QUERY | ERROR_QUERY,
)
def site_errors_bucketed(site_id: str) -> Response:
    """How often an error happened in each bucket."""
    question = asking.asked(site_id)
    found = question.answer(errors_bucketed, _message(), asking.bucket())
    return asking.rows(found)


def _message() -> str:
    return params.text("error_message", "errorMessage")
