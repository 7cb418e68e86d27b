"""What reached a site and was not stored, for its members: counts, and the last hour one by one."""

from flask import Blueprint, Response, jsonify

from rybbit import clock
from rybbit.models import Scope
from rybbit.services.drops import drops_of
from rybbit.stats.inspector import inspector_page
from rybbit.web import params
from rybbit.web.access import current_runtime, member_site
from rybbit.web.api import asking
from rybbit.web.api.answers import DROPS_QUERY, INSPECTOR_QUERY, InspectorAnswer, Rows
from rybbit.web.api.description import describe

blueprint = Blueprint("losses", __name__, url_prefix="/api/sites/<site_id>")


@blueprint.get("/drops")
@describe("What was not stored, and why", answer=Rows, scope=Scope.STATS_READ, query=DROPS_QUERY)
def site_drops(site_id: str) -> Response:
    """What was refused or filtered, by reason, rule and hour; the newest hour first."""
    site = member_site(site_id, scope=Scope.STATS_READ)
    asking.refuse_filters()
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
    asking.refuse_filters()
    runtime = current_runtime()
    # What this very process was sent a moment ago is looked for first.
    runtime.inspector.flush()
    page = inspector_page(
        runtime.store,
        runtime.unkept,
        site.site_id,
        limit=params.whole_number("limit", default=100, least=1, most=1000),
        since=params.optional_text("since"),
        with_addresses=site.track_ip,
    )
    return jsonify({"data": page.rows, "cursor": page.cursor})
