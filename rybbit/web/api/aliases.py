"""Other names of routes, by which older and newer programs for the same API know them."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from rybbit.web.api import auth, events, funnels, goals, quality, stats, visits

View = Callable[..., Response]

blueprint = Blueprint("aliases", __name__, url_prefix="/api")

_NEWER: dict[str, View] = {
    "overview/time-series": stats.site_overview_bucketed,
    "sessions/locations": visits.site_session_locations,
    "events/time-series": events.site_events_bucketed,
    "errors/names": quality.site_error_names,
    "errors/events": quality.site_error_events,
    "errors/time-series": quality.site_errors_bucketed,
}
# Before sites had a folder of their own, they were named last.
_OLDER: dict[str, View] = {
    "overview": stats.site_overview,
    "overview-bucketed": stats.site_overview_bucketed,
    "metric": stats.site_metric,
    "page-titles": stats.site_page_titles,
    "live-user-count": stats.site_live_user_count,
    "site-has-data": stats.site_has_data,
    "sessions": visits.site_sessions,
    "session-locations": visits.site_session_locations,
    "users": visits.site_users,
    "retention": visits.site_retention,
    "journeys": visits.site_journeys,
    "events": events.site_events,
    "events/names": events.site_event_names,
    "events/properties": events.site_event_properties,
    "events/outbound": events.site_outbound,
    "performance/overview": quality.site_performance,
    "performance/time-series": quality.site_performance_bucketed,
    "performance/by-dimension": quality.site_performance_by_dimension,
    "error-names": quality.site_error_names,
    "error-events": quality.site_error_events,
    "error-bucketed": quality.site_errors_bucketed,
    "goals": goals.site_goals,
    "funnels": funnels.site_funnels,
}


def _undescribed(view: View) -> View:
    """The same view without what the API's description says of it: one name is enough there."""

    def answer(**places: Any) -> Response:
        return view(**places)

    return answer


def _add(rule: str, view: View, method: str = "GET") -> None:
    name = rule.strip("/").replace("/", "-")
    blueprint.add_url_rule(rule, endpoint=name, view_func=_undescribed(view), methods=[method])


_add("/auth/sign-in/email", auth.begin_session, "POST")
_add("/auth/get-session", auth.show_session)
for _name, _view in _NEWER.items():
    _add(f"/sites/<site_id>/{_name}", _view)
for _name, _view in _OLDER.items():
    _add(f"/{_name}/<site_id>", _view)
