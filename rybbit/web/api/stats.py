"""Headline figures of a site and its breakdowns, for those who may read them."""

from dataclasses import asdict

from flask import Blueprint, Response, jsonify

from rybbit import clock
from rybbit.models import Scope
from rybbit.stats.breakdown import breakdown
from rybbit.stats.dimensions import Level, find_dimension
from rybbit.stats.live import has_data, live_user_count
from rybbit.stats.overview import overview, overview_bucketed
from rybbit.stats.period import Period
from rybbit.web import params
from rybbit.web.access import current_runtime, readable_site
from rybbit.web.api import asking
from rybbit.web.api.answers import (
    BUCKET_QUERY,
    LIVE_QUERY,
    METRIC_QUERY,
    PAGES_QUERY,
    QUESTION_QUERY,
    CountAnswer,
    HasDataAnswer,
    OverviewAnswer,
    PageAnswer,
    Rows,
)
from rybbit.web.api.description import Caller, describe

blueprint = Blueprint("stats", __name__, url_prefix="/api/sites/<site_id>")

_DAY_MINUTES = 24 * 60
_COMPARISONS = ("", "previous_period", "previous_year")
_COMPARE = {"type": "string", "enum": list(_COMPARISONS), "description": "Adds the same of an earlier time."}


@blueprint.get("/overview")
@describe(
    "Headline figures",
    answer=OverviewAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | {"compare": _COMPARE},
    details="With `compare`, `comparison` has `start` and `end` of the earlier time, and its `data`.",
)
def site_overview(site_id: str) -> Response:
    """The headline figures of a period, and of an earlier one if that is asked for."""
    question = asking.asked(site_id)
    answer = {"data": asdict(question.answer(overview))}
    compare = params.choice("compare", _COMPARISONS, default="")
    if compare:
        period = question.question.period
        earlier = period.year_back if compare == "previous_year" else period.lengths_back
        figures = question.over(earlier).answer(overview)
        answer["comparison"] = {**_bounds(earlier), "data": asdict(figures)}
    return jsonify(answer)


def _bounds(period: Period) -> dict[str, str | None]:
    bounds = {"start": period.start_ms, "end": period.end_ms}
    return {name: None if at is None else clock.to_iso(clock.from_ms(at)) for name, at in bounds.items()}


@blueprint.get("/overview-bucketed")
@describe(
    "Headline figures in the course of time",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | BUCKET_QUERY,
    details="Each row has the figures of its bucket as if that were the period. `time` is the beginning of"
    " the bucket in the time zone; weeks begin on Monday.",
)
def site_overview_bucketed(site_id: str) -> Response:
    """The headline figures of each bucket of a period."""
    question = asking.asked(site_id)
    return asking.rows(question.answer(overview_bucketed, asking.bucket()))


@blueprint.get("/metric")
@describe(
    "Sessions and pageviews by a dimension",
    answer=PageAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | PAGES_QUERY | METRIC_QUERY,
    details="`count` is the number of sessions. Rows of pages have `time_on_page_seconds` and what came with"
    " them; beyond 20,000 pageviews only with `time_on_page=true`, since that takes its time.",
)
def site_metric(site_id: str) -> Response:
    """Sessions and pageviews by browser, country, page or any other dimension."""
    question = asking.asked(site_id)
    dimension = find_dimension(params.text("parameter"))
    found = question.answer(
        breakdown,
        dimension,
        limit=asking.limit(),
        page=asking.page_number(),
        # Errors and web vitals have names as well, which nobody gave them.
        only="custom_event" if dimension.level is Level.EVENT else "",
        with_details=params.flag("time_on_page"),
    )
    return asking.page(found)


@blueprint.get("/page-titles")
@describe(
    "Sessions and pageviews by page title",
    answer=PageAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | PAGES_QUERY,
)
def site_page_titles(site_id: str) -> Response:
    """Sessions and pageviews by page title."""
    question = asking.asked(site_id)
    found = question.answer(
        breakdown,
        find_dimension("page_title"),
        limit=asking.limit(),
        page=asking.page_number(),
        only="pageview",
    )
    return asking.page(found)


@blueprint.get("/has-data")
@describe("Whether any event has come in", answer=HasDataAnswer, caller=Caller.VIEWER, scope=Scope.STATS_READ)
def site_has_data(site_id: str) -> Response:
    """Whether any event has come in."""
    site = readable_site(site_id, Scope.STATS_READ, Scope.SITES_READ)
    asking.refuse_filters()
    return jsonify({"hasData": has_data(current_runtime().store, site.site_id)})


@blueprint.get("/live-user-count")
@describe(
    "How many are there now",
    answer=CountAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=LIVE_QUERY,
)
def site_live_user_count(site_id: str) -> Response:
    """How many are there now."""
    site = readable_site(site_id, Scope.STATS_READ)
    asking.refuse_filters()
    minutes = params.whole_number("minutes", default=5, least=1, most=_DAY_MINUTES)
    return jsonify({"count": live_user_count(current_runtime().store, site.site_id, minutes=minutes)})
