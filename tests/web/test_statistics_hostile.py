"""What people send to the statistics API who mean harm, or whose program is broken."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from rybbit.stats.dimensions import NAMES
from rybbit.stats.filters import TYPES
from tests.web.statistics import asked, call, done, fields, fill, filters, on_both_engines
from tests.web.world import Tenant, World

SQL = (
    *("' or 1=1 --", "'); drop table events; --", '" or ""="', "$site_id", "{matching}", "%(site_id)s", "?"),
    *("\\", "\\'", "/* */", ";", "1; select * from read_text('/etc/passwd')", "' union all select 1,2 --"),
)
PARAMETERS = tuple(name.replace("NAME", "q") for name in NAMES)
NUMBERS = ("lat", "lon")
# One of each kind, for ClickHouse too, where a question takes longer.
OF_EACH_KIND = (
    *("pathname", "lat", "browser_version", "dimensions", "entry_page", "event_name", "url_param:q"),
)


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


def _refused(world: World, tenant: Tenant, text: str) -> str:
    """What is said of filters that are refused, which names them."""
    told = fields(world.read(tenant, f"overview?filters={quote(text)}"))
    assert list(told) == ["filters"]
    return " ".join(told["filters"])


# Questions that end in a parameter which must be one of few words, a number or a time.
WORDS = (
    ("overview?time_zone=", "time_zone"),
    ("overview?start_date=", "start_date"),
    ("overview?end_datetime=", "end_datetime"),
    ("overview?past_minutes_start=", "past_minutes_start"),
    ("overview?compare=", "compare"),
    ("overview-bucketed?bucket=", "bucket"),
    ("metric?parameter=", "parameter"),
    ("metric?parameter=browser&limit=", "limit"),
    ("sessions?page=", "page"),
    ("sessions?min_duration=", "min_duration"),
    ("sessions?identified_only=", "identified_only"),
    ("users?sort_by=", "sort_by"),
    ("users?sort_order=", "sort_order"),
    ("events?before_timestamp=", "before_timestamp"),
    ("goals?sort=", "sort"),
    ("goals?order=", "order"),
    ("retention?mode=", "mode"),
    ("retention?range=", "range"),
    ("journeys?steps=", "steps"),
    ("journeys?stepFilters=", "stepFilters"),
    ("performance/by-dimension?dimension=", "dimension"),
    ("performance/by-dimension?dimension=browser&sort_by=", "sort_by"),
    ("live-user-count?minutes=", "minutes"),
)


@on_both_engines
@pytest.mark.parametrize("parameter", OF_EACH_KIND)
def test_every_type_of_a_parameter_of_each_kind(world: World, shop: Tenant, parameter: str) -> None:
    _ask_with_every_type(world, shop, parameter)


@pytest.mark.parametrize("parameter", sorted({*PARAMETERS} - {*OF_EACH_KIND}))
def test_every_type_of_every_other_parameter(world: World, shop: Tenant, parameter: str) -> None:
    _ask_with_every_type(world, shop, parameter)


def _ask_with_every_type(world: World, shop: Tenant, parameter: str) -> None:
    for kind in TYPES:
        for value in (-1.5, "", "a|b", "(", SQL[0]):
            answer = world.read(shop, f"overview?{filters((parameter, kind, value))}")
            assert answer.status_code in (200, 400), (kind, value, answer.data)
            if answer.status_code == 400:
                assert list(fields(answer)) == ["filters"]
                is_pattern = kind.endswith("regex")
                assert parameter in NUMBERS or is_pattern or kind.endswith("than"), (kind, value)
    for kind, sessions in (("equals", 0), ("not_equals", 3)):
        found = asked(world, shop, f"overview?{filters((parameter, kind, '1'))}")["data"]
        assert found["sessions"] == sessions, kind


@pytest.mark.parametrize("sql", SQL)
@pytest.mark.parametrize(("question", "name"), WORDS)
def test_sql_for_a_word(world: World, shop: Tenant, question: str, name: str, sql: str) -> None:
    assert list(fields(world.read(shop, question + quote(sql)))) == [name]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "x",
            "{",
            "{}",
            "null",
            "1",
            '"x"',
            "[1]",
            "[null]",
            "[[]]",
            "[{}]",
            "[{},",
            "[]]",
            "NaN",
            "[NaN]",
        ),
        '[{"parameter":"browser"}]',
        '[{"parameter":"browser","type":"equals"}]',
        '[{"parameter":"browser","type":"equals","value":[]}]',
        '[{"parameter":"browser","type":"equals","value":null}]',
        '[{"parameter":"browser","type":"equals","value":{}}]',
        '[{"parameter":"browser","type":"equals","value":[[1]]}]',
        '[{"parameter":"browser","type":"equals","value":[true]}]',
        '[{"parameter":"browser","type":"equals","value":[null]}]',
        '[{"parameter":"browser","type":"equals","value":[NaN]}]',
        '[{"parameter":"browser","type":"equals","value":[Infinity]}]',
        '[{"parameter":"browser","type":"equals","value":[1e999]}]',
        '[{"parameter":"browser","type":"equals","value":["\\u0000"]}]',
        '[{"parameter":"browser","type":"equals","value":["\\ud800"]}]',
        '[{"parameter":"browser","type":"Equals","value":["x"]}]',
        '[{"parameter":"browser","type":"constructor","value":["x"]}]',
        '[{"parameter":1,"type":"equals","value":["x"]}]',
        '[{"parameter":["browser"],"type":"equals","value":["x"]}]',
        '[{"parameter":"ip","type":"equals","value":["x"]}]',
        '[{"parameter":"site_id","type":"equals","value":["x"]}]',
        '[{"parameter":"url_param:","type":"equals","value":["x"]}]',
        '[{"parameter":"url_param:\\u0000","type":"equals","value":["x"]}]',
        '[{"parameter":"url_param:\\ud800","type":"equals","value":["x"]}]',
        '[{"parameter":"\\ud800","type":"\\ud800","value":["x"],"\\ud800":1}]',
        '[{"parameter":"lat","type":"equals","value":["NaN"]}]',
        '[{"parameter":"lat","type":"greater_than","value":["inf"]}]',
        '[{"parameter":"lat","type":"less_than","value":["1e400"]}]',
        '[{"parameter":"lat","type":"equals","value":[' + "9" * 400 + "]}]",
        '[{"parameter":"lat","type":"equals","value":[' + "9" * 5000 + "]}]",
        '[{"parameter":"browser","type":"greater_than","value":["' + "9" * 400 + '"]}]',
        "[" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '[{"parameter":"browser","type":"equals","value":' + "[" * 900 + "]" * 900 + "}]",
        "[" + ",".join(['{"parameter":"browser","type":"equals","value":["x"]}'] * 21) + "]",
        '[{"parameter":"browser","type":"equals","value":["' + "x" * 2049 + '"]}]',
        '[{"parameter":"browser","type":"regex","value":["' + "x" * 513 + '"]}]',
        '[{"parameter":"browser","type":"equals","value":[' + ",".join(["1"] * 10_001) + "]}]",
        '[{"parameter":"browser","type":"contains","value":[' + ",".join(["1"] * 1_001) + "]}]",
    ],
)
def test_the_wrong_shape(world: World, shop: Tenant, text: str) -> None:
    assert _refused(world, shop, text)


@on_both_engines
class TestFilters:
    """`filters`."""

    @pytest.mark.parametrize("sql", SQL)
    def test_sql_in_every_place(self, world: World, shop: Tenant, sql: str) -> None:
        for name in ("browser", "url_param:q", "event_name", "entry_page", f"url_param:{sql}"):
            assert asked(world, shop, f"overview?{filters((name, 'equals', sql))}")["data"]["sessions"] == 0
            assert (
                asked(world, shop, f"overview?{filters((name, 'not_contains', sql))}")["data"]["sessions"]
                == 3
            )
        for each in ((sql, "equals", "x"), ("browser", sql, "x")):
            assert fields(world.read(shop, f"overview?{filters(each)}")).keys() == {"filters"}
        _refused(
            world, shop, json.dumps([{"parameter": "browser", "type": "equals", "value": ["x"], sql: 1}])
        )
        text = quote(sql)
        for question in (
            f"metric?parameter=url_param:{text}",
            f"sessions?user_id={text}&session_id={text}",
            f"users?search={text}",
            f"users/session-count?user_id={text}",
            f"events/properties?event_name={text}",
            f"error-events?error_message={text}",
            f"error-bucketed?error_message={text}",
            f"performance/by-dimension?dimension=url_param:{text}",
            f"journeys?stepFilters={quote(json.dumps({'0': sql}))}",
        ):
            asked(world, shop, question)

    @pytest.mark.parametrize("sql", SQL)
    def test_sql_in_bodies(self, world: World, shop: Tenant, sql: str) -> None:
        body = {
            "goalType": "event",
            "config": {"eventName": sql, "eventPropertyKey": sql, "eventPropertyValue": sql},
        }
        goal = done(call(world, shop, "POST", "goals", body), 201)["goalId"]
        assert asked(world, shop, "goals")["data"][0]["total_conversions"] == 0
        done(call(world, shop, "DELETE", f"goals/{goal}"), 200)
        assert call(world, shop, "DELETE", f"goals/{quote(sql)}").status_code in (404, 405)
        steps = [{"type": kind, "value": sql, "hostname": sql, "name": sql} for kind in ("page", "event")]
        done(call(world, shop, "POST", "funnels/analyze", {"steps": steps}), 200)
        assert asked(world, shop, "overview")["data"]["sessions"] == 3

    @pytest.mark.parametrize(
        "pattern", ["(", "[", "a**", "\\", "(?<=a)b", "(a)\\1", "x{1001}", "(?P<a", "[[:x:]]"]
    )
    def test_patterns_that_are_none(self, world: World, shop: Tenant, pattern: str) -> None:
        for kind in ("regex", "not_regex"):
            for value in (pattern, ["fine", pattern]):
                told = fields(world.read(shop, f"overview?{filters(('pathname', kind, value))}"))
                assert told == {"filters": ["Filter 1: value must be regular expressions (RE2)"]}

    def test_numbers_that_are_long(self, world: World, shop: Tenant) -> None:
        for digits in (19, 400, 2048):
            number = int("9" * digits)
            assert (
                asked(world, shop, f"overview?{filters(('browser', 'equals', number))}")["data"]["sessions"]
                == 0
            )
        assert "longer" in _refused(
            world, shop, json.dumps([{"parameter": "browser", "type": "equals", "value": [int("9" * 2049)]}])
        )

    def test_ten_thousand_values(self, world: World, shop: Tenant) -> None:
        paths = [f"/{number}" for number in range(9_999)]
        for kind, sessions in (("equals", 2), ("not_equals", 2)):
            found = asked(world, shop, f"overview?{filters(('pathname', kind, [*paths, '/pricing']))}")
            assert found["data"]["sessions"] == sessions, kind
        for name in ("entry_page", "event_name", "user_id", "lat", "browser_version"):
            values = list(range(10_000)) if name in ("lat", "browser_version") else paths
            for kind in ("equals", "not_equals"):
                asked(world, shop, f"overview?{filters((name, kind, values))}")


@on_both_engines
class TestProperties:
    """What JSON of Python takes, and the engines may not; or the other way round."""

    PROPERTIES = (
        '{"message":"m","url":"https://x.example/","n":1e999,"m":-1e999}',
        '{"message":"m","url":"https://x.example/","i":' + "9" * 400 + ',"lineNumber":1e300}',
        '{"message":"m","url":"https://x.example/","d":' + "[" * 800 + "]" * 800 + "}",
        '{"message":"m","url":"https://x.example/","d":' + '{"a":' * 300 + "1" + "}" * 300 + "}",
        '{"message":"m","url":"https://x.example/","a":"\\u00e4\\ud83e\\udd8a","":"nameless","a/b~c":1}',
        '{"message":"m","url":"https://x.example/","__proto__":{"a":1},"constructor":null}',
    )
    CUSTOM = (
        '{"a":1,"a":2}',
        "[" * 900 + "]" * 900,
        "[]",
        "1",
        "null",
        '"x"',
        "-0",
        "1e-400",
        '{"a":{"a":{}}}',
    )
    QUESTIONS = (
        *("events", "events/names", "events/properties?event_name=e", "events/outbound", "sessions", "users"),
        *("error-names", "error-events?error_message=m", "error-events?error_message=m&page=1"),
        *("error-bucketed?error_message=m", "metric?parameter=url_param:a", "journeys", "goals"),
        "overview?" + filters(("url_param:a", "equals", "1")),
    )

    def test_no_question_fails(self, world: World, tenant: Tenant) -> None:
        at = {
            "user_id": "u",
            "pathname": "/",
            "timestamp": "2026-03-01T09:00:00Z",
            "querystring": "?a=%00&a=1",
        }
        events = [
            {**at, "type": kind, "event_name": "e", "properties": text}
            for text in self.PROPERTIES
            for kind in ("custom_event", "error", "outbound")
        ]
        events += [
            {**at, "type": "custom_event", "event_name": "e", "properties": text} for text in self.CUSTOM
        ]
        fill(world, tenant, *events)
        body = {
            "goalType": "event",
            "config": {"eventName": "e", "eventPropertyKey": "n", "eventPropertyValue": 1},
        }
        done(call(world, tenant, "POST", "goals", body), 201)
        for _ in range(2):
            for question in self.QUESTIONS:
                assert asked(world, tenant, question)
            (session,) = asked(world, tenant, "sessions")["data"]
            shown = asked(world, tenant, f"sessions/{session['session_id']}")["data"]["events"]
            assert len(shown) == len(events)
            assert {event["properties"] for event in shown} == {event["properties"] for event in events}
            steps = [{"type": "event", "value": "e", "propertyFilters": [{"key": "a", "value": 1}]}] * 2
            done(call(world, tenant, "POST", "funnels/analyze", {"steps": steps}), 200)
            assert len(asked(world, tenant, "error-events?error_message=m")["data"]) == len(self.PROPERTIES)
            # And once more when they have moved from the journal to the table.
            world.runtime.journal.close_file()
            world.runtime.mover.move_all()
