"""Query parameters of the readings: what is not understood is refused, and named."""

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.web.world import FIREFOX, Tenant, World


class TestParameters:
    """What is not understood is refused, and named."""

    @pytest.mark.parametrize(
        ("question", "parameter"),
        [
            ("overview?start_date=2026-02-30", "start_date"),
            ("overview?start_date=x", "start_date"),
            ("overview?end_date=0001-01-01", "end_date"),
            ("overview?start_date=2026-03-02&end_date=2026-03-01", "end_date"),
            ("overview?time_zone=Mars/Base", "time_zone"),
            ("overview?time_zone=../../etc/passwd", "time_zone"),
            ("overview?past_minutes_start=-5", "past_minutes_start"),
            ("overview?past_minutes_start=9999999999", "past_minutes_start"),
            ("overview?past_minutes_end=5", "past_minutes_start"),
            ("overview?past_minutes_start=5&past_minutes_end=5", "past_minutes_end"),
            ('overview?filters=[{"parameter":"browser"}]', "filters"),
            ("events?page_size=0", "page_size"),
            ("events?page_size=1001", "page_size"),
            ("events?page_size=1.5", "page_size"),
            ("events?before_timestamp=yesterday", "before_timestamp"),
            ("events?since_timestamp=2026-13-01", "since_timestamp"),
            ("events?since_timestamp=-1", "since_timestamp"),
            ("events?filters=x", "filters"),
            ("live-user-count?minutes=0", "minutes"),
            ("live-user-count?minutes=x", "minutes"),
            ("drops?limit=0", "limit"),
            ("drops?limit=10001", "limit"),
            ("drops?since=x", "since"),
            ("drops?since=999999999999999", "since"),
            ("drops?since=0001-01-01T00:00:00%2B10:00", "since"),
        ],
    )
    def test_refused(self, world: World, tenant: Tenant, question: str, parameter: str) -> None:
        answer = world.read(tenant, question)
        body = json.loads(answer.data)
        assert (answer.status_code, body["success"], body["error"]) == (400, False, "Invalid request data")
        assert list(body["details"]["fieldErrors"]) == [parameter]
        assert all(body["details"]["fieldErrors"][parameter])

    @pytest.mark.parametrize(
        "question",
        [
            "overview?start_date=&end_date=&time_zone=&past_minutes_start=&filters=",
            "overview?filters=[]",
            "events?page_size=&before_timestamp=&since_timestamp=",
            "events?page_size=1000",
            "live-user-count?minutes=1440",
            "drops?since=&limit=10000",
            "drops?since=0",
        ],
    )
    def test_taken(self, world: World, tenant: Tenant, question: str) -> None:
        assert world.read(tenant, question).status_code == 200

    @pytest.mark.parametrize("question", ["overview", "events", "live-user-count", "drops", "inspector"])
    def test_anything_is_answered(self, world: World, tenant: Tenant, question: str) -> None:
        client = world.client()
        path = f"/api/sites/{tenant.site_id}/{question}"
        headers = {"Authorization": f"Bearer {tenant.account_key}", "User-Agent": FIREFOX}

        @hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
        @given(_queries)
        def check(query: dict[str, str]) -> None:
            answer = client.get(path, query_string=query, headers=headers)
            assert answer.status_code in (200, 400), (query, answer.data)
            if answer.status_code == 400:
                assert set(json.loads(answer.data)["details"]["fieldErrors"]) <= set(query) | {
                    "past_minutes_start"
                }

        check()


_moments = st.datetimes().map(lambda moment: moment.isoformat()) | st.sampled_from(
    ["0001-01-01", "9999-12-31T23:59:59.999999-14:00", "1970-01-01T00:00:00Z", "20260301", "2026-W10-1"]
)
_values = st.text(max_size=20) | st.integers(-10, 10**18).map(str) | st.dates().map(str) | _moments
_queries = st.dictionaries(
    st.sampled_from(
        [
            *("start_date", "end_date", "time_zone", "past_minutes_start", "past_minutes_end", "filters"),
            *("page_size", "before_timestamp", "since_timestamp", "minutes", "limit", "since"),
        ]
    ),
    _values,
    max_size=4,
)
