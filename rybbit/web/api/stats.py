"""Statistics and raw events of a site, for those who may read it."""

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request

from rybbit import clock
from rybbit.errors import InvalidInput
from rybbit.models import Scope, Site
from rybbit.services.drops import drops_of
from rybbit.stats.events import event_page
from rybbit.stats.inspector import inspector_page
from rybbit.stats.live import has_data, live_user_count
from rybbit.stats.overview import overview
from rybbit.web import params
from rybbit.web.access import current_runtime, member_site, readable_site, sees_addresses
from rybbit.web.api.description import Caller, describe
from rybbit.web.api.stats_models import (
    DROPS_QUERY,
    EVENTS_QUERY,
    INSPECTOR_QUERY,
    LIVE_QUERY,
    PERIOD_QUERY,
    CountAnswer,
    EventsAnswer,
    HasDataAnswer,
    InspectorAnswer,
    OverviewAnswer,
    Rows,
)

blueprint = Blueprint("stats", __name__, url_prefix="/api/sites/<site_id>")

_DAY_MINUTES = 24 * 60


@blueprint.get("/overview")
@describe(
    "Headline figures",
    answer=OverviewAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=PERIOD_QUERY,
)
def site_overview(site_id: str) -> Response:
    """The headline figures of a period."""
    site = _readable(site_id)
    figures = overview(current_runtime().store, site.site_id, params.period())
    return jsonify({"data": asdict(figures)})


@blueprint.get("/events")
@describe("Raw events", answer=EventsAnswer, caller=Caller.VIEWER, scope=Scope.STATS_READ, query=EVENTS_QUERY)
def site_events(site_id: str) -> Response:
    """Raw events, newest first."""
    site = _readable(site_id)
    page = event_page(
        current_runtime().store,
        site.site_id,
        params.period(),
        page_size=params.whole_number("page_size", default=50, least=1, most=1000),
        before_ms=params.moment("before_timestamp"),
        since_ms=params.moment("since_timestamp"),
        with_addresses=site.track_ip and sees_addresses(site),
    )
    oldest = None if page.oldest_ms is None else clock.to_iso(clock.from_ms(page.oldest_ms))
    return jsonify({"data": page.events, "cursor": {"hasMore": page.has_more, "oldestTimestamp": oldest}})


@blueprint.get("/has-data")
@describe("Whether any event has come in", answer=HasDataAnswer, caller=Caller.VIEWER, scope=Scope.STATS_READ)
def site_has_data(site_id: str) -> Response:
    """Whether any event has come in."""
    site = _readable(site_id, Scope.SITES_READ)
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
    site = _readable(site_id)
    minutes = params.whole_number("minutes", default=5, least=1, most=_DAY_MINUTES)
    return jsonify({"count": live_user_count(current_runtime().store, site.site_id, minutes=minutes)})


@blueprint.get("/drops")
@describe("What was not stored, and why", answer=Rows, scope=Scope.STATS_READ, query=DROPS_QUERY)
def site_drops(site_id: str) -> Response:
    """What was refused or filtered, by reason, rule and hour; the newest hour first."""
    site = member_site(site_id, scope=Scope.STATS_READ)
    _refuse_filters()
    since = params.moment("since")
    rows = drops_of(
        site,
        since=None if since is None else clock.from_ms(since),
        limit=params.whole_number("limit", default=1000, least=1, most=10_000),
    )
    return jsonify(
        {
            "data": [
                {
                    "reason": row.reason,
                    "rule": row.rule,
                    "hour": clock.to_iso(row.hour),
                    "count": row.count,
                }
                for row in rows
            ]
        }
    )


@blueprint.get("/inspector")
@describe(
    "What reached the site in the last hour, kept and not kept",
    answer=InspectorAnswer,
    scope=Scope.STATS_READ,
    query=INSPECTOR_QUERY,
    details="Rows have `id`, `time`, `outcome` (`kept`, `filtered`, `refused`), `status`, `reason`, `rule`,"
    " `error`, the event's `type`, `hostname`, `pathname`, `event_name`, `address` and `address_from`,"
    " browser, system, device and place, the `key`'s id, and the `request` of a refused one, without keys.",
)
def site_inspector(site_id: str) -> Response:
    """What reached the site in the last hour, the newest first; for members."""
    site = member_site(site_id, scope=Scope.STATS_READ)
    _refuse_filters()
    runtime = current_runtime()
    # What this very process was sent a moment ago is looked for first.
    runtime.inspector.flush()
    page = inspector_page(
        runtime.store,
        runtime.unkept,
        site.site_id,
        limit=params.whole_number("limit", default=100, least=1, most=1000),
        since=request.args.get("since"),
        with_addresses=site.track_ip,
    )
    return jsonify({"data": page.rows, "cursor": page.cursor})


def _readable(site_id: str, *further: Scope) -> Site:
    """The site, if the caller may read it and asks what can be answered; who asks is judged first."""
    site = readable_site(site_id, Scope.STATS_READ, *further)
    _refuse_filters()
    return site


def _refuse_filters() -> None:
    """Refuse what is not understood, rather than answer another question than the one asked."""
    if request.args.get("filters", "[]").strip() not in ("", "[]"):
        raise InvalidInput({"filters": ["Filters are not supported yet"]})
