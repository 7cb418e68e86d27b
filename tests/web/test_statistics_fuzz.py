"""Anything at all as the parameters of every question: it is answered, or refused with a name."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from rybbit.stats.dimensions import NAMES
from rybbit.stats.filters import TYPES
from tests.web.statistics import on_both_engines
from tests.web.world import Tenant, World

pytestmark = on_both_engines

PARAMETERS = tuple(name.replace("NAME", "q") for name in NAMES)


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


PATHS = [
    "overview",
    "overview-bucketed",
    "metric",
    "page-titles",
    "sessions",
    "sessions/1",
    "session-locations",
    "users",
    "users/ada",
    "users/session-count",
    "events",
    "events/names",
    "events/properties",
    "events/outbound",
    "events/bucketed",
    "events/count",
    "retention",
    "journeys",
    "goals",
    "goals/1/sessions",
    "funnels",
    "performance/overview",
    "performance/time-series",
    "performance/by-dimension",
    "error-names",
    "error-events",
    "error-bucketed",
    "live-user-count",
    "has-data",
]
NAMED = [
    "start_date",
    "end_date",
    "time_zone",
    "past_minutes_start",
    "past_minutes_end",
    "start_datetime",
    "end_datetime",
    "filters",
    "bucket",
    "compare",
    "parameter",
    "dimension",
    "limit",
    "page",
    "page_size",
    "offset",
    "user_id",
    "userId",
    "session_id",
    "identified_only",
    "min_pageviews",
    "min_events",
    "min_duration",
    "sort_by",
    "sort_order",
    "sort",
    "order",
    "search",
    "search_field",
    "before_timestamp",
    "beforeTimestamp",
    "since_timestamp",
    "afterTimestamp",
    "event_name",
    "error_message",
    "errorMessage",
    "mode",
    "range",
    "steps",
    "stepFilters",
    "minutes",
    "time_on_page",
    "no_such",
]
NEEDED = {
    "metric": {"parameter": "browser"},
    "events/properties": {"event_name": "signup"},
    "performance/by-dimension": {"dimension": "browser"},
    "users/session-count": {"user_id": "ada"},
    "error-events": {"error_message": "x is undefined"},
    "error-bucketed": {"error_message": "x is undefined"},
}
# Too long a time makes too many buckets, also where these have a length that nobody chose.
IMPLIED = {"past_minutes_start", "bucket"}

_WORDS = [
    "2026-03-01",
    "2026-03-02",
    "1970-01-01",
    "9000-12-31",
    "0006-01-01T00:00:00Z",
    "9985-12-31T23:59:59Z",
    "UTC",
    "Europe/Berlin",
    "Pacific/Apia",
    "Africa/Monrovia",
    "America/St_Johns",
    "1",
    "2",
    "10",
    "1000",
    "60",
    "52704000",
    "previous_period",
    "previous_year",
    "minute",
    "hour",
    "week",
    "year",
    "day",
    "browser",
    "pathname",
    "lat",
    "entry_page",
    "url_param:q",
    "event_name",
    "user_id",
    "true",
    "asc",
    "ada",
    "signup",
    "lcp_p75",
    "value",
    "last_seen",
    '{"0":"/*"}',
    "1772355600000",
    '[{"parameter":"pathname","type":"contains","value":["/"]}]',
    '[{"parameter":"lat","type":"less_than","value":[50]}]',
    '[{"parameter":"entry_page","type":"regex","value":["^/"]}]',
    '[{"parameter":"event_name","type":"not_equals","value":["x"]}]',
]
_filter = st.fixed_dictionaries(
    {
        "parameter": st.sampled_from(PARAMETERS) | st.text(max_size=5),
        "type": st.sampled_from(TYPES) | st.text(max_size=5),
        "value": st.lists(
            st.text(max_size=8) | st.integers() | st.floats() | st.none() | st.booleans(), max_size=4
        ),
    }
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_values = (
    st.sampled_from(_WORDS)
    | st.sampled_from(_WORDS)
    | st.text(max_size=20)
    | st.integers(-(10**20), 10**20).map(str)
    | st.datetimes().map(str)
    | st.lists(_filter, max_size=3).map(json.dumps)
    | _json.map(json.dumps)
)


@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_asked_is_answered(world: World, shop: Tenant, events_url: str, path: str) -> None:
    # A question takes longer in ClickHouse.
    most = 10 if events_url else 30
    client = world.client()
    headers = {"Authorization": f"Bearer {shop.account_key}"}
    needed = NEEDED.get(path, {})

    @examples(deadline=None, max_examples=most, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.sampled_from(NAMED), _values, max_size=5))
    def check(query: dict[str, str]) -> None:
        answer = client.get(f"/api/sites/{shop.id}/{path}", query_string=needed | query, headers=headers)
        assert answer.status_code in (200, 400, 404), (query, answer.data)
        if answer.status_code == 400:
            named = set(json.loads(answer.data)["details"]["fieldErrors"])
            assert named, answer.data
            assert named <= set(needed | query) | IMPLIED, (named, query)

    check()
