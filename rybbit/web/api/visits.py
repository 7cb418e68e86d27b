"""Sessions and users one by one, and how they move and come back."""

import re

from flask import Blueprint, Response, jsonify

from rybbit.errors import InvalidInput, NotFound
from rybbit.models import Scope
from rybbit.services.goals import TOO_LONG_A_PATTERN, is_fit_pattern
from rybbit.stats.dimensions import is_plain
from rybbit.stats.journeys import MOST_STEPS, journeys
from rybbit.stats.period import Period
from rybbit.stats.retention import Mode, retention
from rybbit.stats.sessions import Wanted, find_session, session_locations, session_page
from rybbit.stats.users import SORTS, find_user, session_counts, user_page
from rybbit.web import params
from rybbit.web.api import asking
from rybbit.web.api.answers import (
    JOURNEYS_QUERY,
    PAGES_QUERY,
    QUESTION_QUERY,
    RETENTION_QUERY,
    SESSION_QUERY,
    SESSIONS_QUERY,
    USER_QUERY,
    USERS_QUERY,
    JourneysAnswer,
    OneAnswer,
    Rows,
    UsersAnswer,
)
from rybbit.web.api.asking import Asked
from rybbit.web.api.description import Caller, describe

blueprint = Blueprint("visits", __name__, url_prefix="/api/sites/<site_id>")

_SESSION_ID = re.compile(r"[0-9]{1,19}")
_SESSIONS = "/sessions"
_LONGEST_RANGE = 730


@blueprint.get("/sessions")
@describe(
    "Sessions one by one",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | PAGES_QUERY | SESSIONS_QUERY,
    details="The session that ended last comes first. A filter on a page or an event chooses sessions; their"
    " figures are those of all their events in the period.",
)
def site_sessions(site_id: str) -> Response:
    """Sessions, the one that ended last first."""
    question = asking.asked(site_id)
    wanted = Wanted(
        user_id=params.optional_text("user_id"),
        session_id=_session_id(params.optional_text("session_id")),
        identified_only=params.flag("identified_only"),
        min_pageviews=_least("min_pageviews"),
        min_events=_least("min_events"),
        min_duration=_least("min_duration"),
    )
    found = question.answer(session_page, limit=asking.limit(), page=asking.page_number(), wanted=wanted)
    return asking.rows(found)


def _least(name: str) -> int:
    return params.whole_number(name, default=0, least=0, most=2**31)


def _session_id(text: str | None) -> int | None:
    """The number of a session; of a text that is none a number that no session has."""
    if text is None:
        return None
    number = int(text) if _SESSION_ID.fullmatch(text) else -1
    return number if number < 2**63 else -1


@blueprint.get("/sessions/<session_id>")
@describe(
    "One session with its events",
    answer=OneAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=SESSION_QUERY,
    refusals=(404,),
)
def site_session(site_id: str, session_id: str) -> Response:
    """One session and a page of its events, in their order."""
    question = asking.asked(site_id)
    limit = asking.limit()
    offset = params.whole_number("offset", default=0, least=0, most=2**31)
    number = _session_id(session_id) or -1
    visit = question.answer(find_session, number, limit=limit, offset=offset)
    if visit is None:
        raise NotFound("Session not found")
    pagination = {
        "total": visit.total,
        "limit": limit,
        "offset": offset,
        "hasMore": offset + len(visit.events) < visit.total,
    }
    return asking.rows({"session": visit.session, "events": visit.events, "pagination": pagination})


@blueprint.get("/session-locations")
@describe(
    "Sessions by place",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY,
)
def site_session_locations(site_id: str) -> Response:
    """How many sessions came from each place that has coordinates."""
    question = asking.asked(site_id)
    return asking.rows(question.answer(session_locations))


@blueprint.get("/users")
@describe(
    "Users one by one",
    answer=UsersAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | USERS_QUERY,
)
def site_users(site_id: str) -> Response:
    """Users with what they did in the period."""
    question = asking.asked(site_id)
    page = asking.page_number()
    size = params.whole_number("page_size", "limit", default=100, least=1, most=1000)
    field = params.choice("search_field", ("user_id", "username", "name", "email"), default="user_id")
    found = question.answer(
        user_page,
        limit=size,
        page=page,
        sort_by=params.choice("sort_by", tuple(SORTS), default="last_seen"),
        descending=params.choice("sort_order", ("asc", "desc"), default="desc") == "desc",
        # Of names and mail addresses we know nothing; an id is all that a sender can give.
        identified_only=params.flag("identified_only") or field != "user_id",
        search=params.optional_text("search") or "",
    )
    return jsonify({"data": found.rows, "totalCount": found.total, "page": page, "pageSize": size})


@blueprint.get("/users/session-count")
@describe(
    "On which days a user came",
    answer=Rows,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | USER_QUERY,
)
def site_user_session_count(site_id: str) -> Response:
    """How many sessions a user had on each day."""
    question = asking.asked(site_id)
    user_id = params.text("user_id", "userId")
    return asking.rows(question.answer(session_counts, user_id))


@blueprint.get("/users/<user:user_id>")
@describe(
    "One user",
    answer=OneAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    refusals=(404,),
    details="With `/sessions` behind the id: what `sessions` says of this user.",
)
def site_user(site_id: str, user_id: str) -> Response:
    """One user over all time, or the sessions of one."""
    question = asking.asked(site_id)
    user = question.answer(find_user, user_id)
    # An id may end like this, too, so a user of that very name comes first.
    if user is None and user_id.endswith(_SESSIONS):
        return _sessions_of(question, user_id.removesuffix(_SESSIONS))
    if user is None:
        raise NotFound("User not found")
    return asking.rows(user)


def _sessions_of(question: Asked, user_id: str) -> Response:
    wanted = Wanted(user_id=user_id)
    found = question.answer(session_page, limit=asking.limit(), page=asking.page_number(), wanted=wanted)
    return asking.rows(found)


@blueprint.get("/retention")
@describe(
    "Who came back",
    answer=OneAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | RETENTION_QUERY,
    details="Cohorts are of the last `range` days, unless a period is given.",
)
def site_retention(site_id: str) -> Response:
    """Which share of new users was seen again, in which day or week after."""
    question = asking.asked(site_id)
    mode = Mode(params.choice("mode", tuple(Mode), default=Mode.WEEK))
    days = params.whole_number("range", default=90, least=1, most=_LONGEST_RANGE)
    found = _within_range(question, days).answer(retention, mode)
    return asking.rows({**found, "range": days})


def _within_range(question: Asked, days: int) -> Asked:
    period = question.question.period
    if period.start_ms is not None or period.end_ms is not None:
        return question
    return question.over(Period.last_days(days, period.zone))


@blueprint.get("/journeys")
@describe(
    "The ways that visits take",
    answer=JourneysAnswer,
    caller=Caller.VIEWER,
    scope=Scope.STATS_READ,
    query=QUESTION_QUERY | JOURNEYS_QUERY,
)
def site_journeys(site_id: str) -> Response:
    """The same first pages in the same order, counted."""
    question = asking.asked(site_id)
    steps = params.whole_number("steps", default=3, least=2, most=MOST_STEPS)
    found = question.answer(
        journeys,
        steps=steps,
        limit=params.whole_number("limit", default=100, least=1, most=500),
        step_patterns=_step_patterns(params.json_object("stepFilters"), steps),
    )
    return jsonify({"journeys": found})


def _step_patterns(patterns: dict[str, object], steps: int) -> dict[int, str]:
    for step, pattern in patterns.items():
        if step not in map(str, range(steps)) or not isinstance(pattern, str) or not is_plain(pattern):
            raise InvalidInput(
                {"stepFilters": ["Must be an object of patterns by the number of a step, from 0"]}
            )
        if not is_fit_pattern(pattern):
            raise InvalidInput({"stepFilters": [f"Step {step}: {TOO_LONG_A_PATTERN}"]})
    return {int(step): str(pattern) for step, pattern in patterns.items() if pattern}
