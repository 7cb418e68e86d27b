"""From a checked event to its journal line, and from there to the columns that are read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from rybbit import clock
from rybbit.ingest.enrich import Client, Enricher
from rybbit.ingest.geo import GeoDatabase, Place
from rybbit.ingest.payload import validate_event
from rybbit.ingest.visitor import DaySalts, Visitors, hash_named, hash_visitor
from rybbit.models import DaySalt
from rybbit.store.event import COLUMNS, is_readable
from tests.ingest.mmdb import city_record, write_database
from tests.ingest.test_visitor import PLAIN, SALTED
from tests.store.conftest import Clocks
from tests.store.parts import NOON_MS, Parts

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Safari/537.36"
)
CLIENT = Client("203.0.113.9", CHROME)
NAMES = {column.name for column in COLUMNS}
GIVEN_ON_RECEIPT = {"id", "session_id", "user_hash"}


@pytest.fixture
def enricher(tmp_path: Path) -> Enricher:
    """One that knows where 203.0.113.0/24 is."""
    london = city_record(
        "GB",
        city="London",
        region_code="ENG",
        region_name="England",
        latitude=51.5,
        longitude=-0.12,
        timezone="Europe/London",
    )
    write_database(tmp_path / "city.mmdb", {"203.0.113.0/24": london})
    # No salted site here, so nothing is asked of a database.
    return Enricher(GeoDatabase(tmp_path / "city.mmdb"), Visitors(DaySalts(create_engine("sqlite://"))))


def _columns(enricher: Enricher, data: dict[str, Any], *, site: Any = PLAIN, client: Client = CLIENT) -> Any:
    """The journal's columns of an event."""
    event = validate_event({"site_id": "1", **data}, now_ms=clock.now_ms())
    client = client.overridden_by(event)
    made = enricher.entry(event, site, client, enricher.locate(client.address), clock.now_ms())
    row = json.loads(b"{" + made.body)
    assert (row["site_id"], row["timestamp"], row.get("event_id")) == (
        made.site_id,
        made.timestamp,
        made.event_id,
    )
    assert set(row) <= NAMES - GIVEN_ON_RECEIPT
    assert is_readable({**row, "id": 1, "session_id": 1, "user_hash": made.user_hash})
    return row


class TestColumns:
    """What becomes of the fields."""

    def test_the_least(self, enricher: Enricher) -> None:
        before = clock.now_ms()
        row = _columns(enricher, {}, client=Client("", ""))
        assert before <= row.pop("timestamp") <= clock.now_ms()
        assert row.pop("channel") == "Direct"
        assert row == {"site_id": 1, "type": "pageview"}

    def test_what_was_sent_stays_as_it_was_sent(self, enricher: Enricher) -> None:
        sent = {
            "type": "custom_event",
            "hostname": "www.example.com",
            "pathname": '/it\'s "this"\n☃',
            "querystring": "?a=1",
            "page_title": "Ünique 𝄞",
            "language": "de-DE",
            "event_name": "buy'; drop table events; --",
            "properties": '{"a":"b"}',
            "event_id": "id-1",
            "user_id": "ann",
        }
        row = _columns(enricher, {**sent, "screenWidth": 1, "screenHeight": 2**31 - 1})
        assert {name: row[name] for name in sent} == sent
        assert (row["screen_width"], row["screen_height"]) == (1, 2**31 - 1)

    def test_vitals(self, enricher: Enricher) -> None:
        vitals = {"lcp": 1234.5, "cls": 0, "inp": None, "fcp": 1e308}
        row = _columns(enricher, {"type": "performance", **vitals})
        assert (row["lcp"], row["cls"], row["fcp"]) == (1234.5, 0, 1e308)
        assert "inp" not in row and "ttfb" not in row

    def test_the_time_is_that_of_the_event_or_of_receipt(self, enricher: Enricher) -> None:
        assert _columns(enricher, {"timestamp": "2026-03-01T12:00:00.123Z"})["timestamp"] == 1_772_366_400_123

    def test_the_place(self, enricher: Enricher) -> None:
        row = _columns(enricher, {})
        names = ("country", "region", "city", "timezone", "lat", "lon")
        assert [row[name] for name in names] == ["GB", "GB-ENG", "London", "Europe/London", 51.5, -0.12]
        elsewhere = _columns(enricher, {}, client=Client("198.51.100.1", CHROME))
        assert not set(names) & set(elsewhere)

    def test_the_device(self, enricher: Enricher) -> None:
        row = _columns(enricher, {})
        assert (row["browser"], row["operating_system"], row["device_type"]) == (
            "Chrome",
            "Windows",
            "Desktop",
        )

    @pytest.mark.parametrize("track_ip", [True, False])
    def test_the_address_only_where_the_site_asks_for_it(self, enricher: Enricher, track_ip: bool) -> None:
        row = _columns(enricher, {}, site=replace(PLAIN, track_ip=track_ip))
        assert row.get("ip") == (CLIENT.address if track_ip else None)
        assert track_ip or CLIENT.address not in json.dumps(row)


class TestSource:
    """Where the visitor came from."""

    @pytest.mark.parametrize(
        ("referrer", "kept", "domain", "channel"),
        [
            ("https://www.google.com/search?q=x", True, "google.com", "Organic Search"),
            ("https://www.example.com/a", False, None, "Direct"),
            ("https://shop.example.com/", False, None, "Direct"),
            ("https://page.host/", False, None, "Direct"),
            ("direct", False, None, "Direct"),
            ("https://other.example/", True, "other.example", "Referral"),
            ("", False, None, "Direct"),
        ],
    )
    def test_referrers(
        self, enricher: Enricher, referrer: str, kept: bool, domain: str | None, channel: str
    ) -> None:
        row = _columns(enricher, {"referrer": referrer, "hostname": "page.host"})
        assert row.get("referrer") == (referrer if kept else None)
        assert row.get("referrer_domain") == domain
        assert row["channel"] == channel

    def test_parameters(self, enricher: Enricher) -> None:
        query = "?utm_source=News&utm_medium=email&utm_campaign=May%20Day&a=%C3%A4&a=2&b=%00%ED%A0%80"
        row = _columns(enricher, {"querystring": query})
        assert (row["utm_source"], row["utm_medium"], row["utm_campaign"]) == ("News", "email", "May Day")
        assert row["channel"] == "Email"
        parameters = json.loads(row["url_parameters"])
        assert set(parameters) == {"a", "b"}
        assert parameters["a"] == "ä"
        assert set(parameters["b"]) == {"\ufffd"}
        assert row["querystring"] == query


class TestVisitor:
    """Whom the event is of."""

    def test_by_address_and_user_agent(self, enricher: Enricher) -> None:
        event = validate_event({"site_id": "1"}, now_ms=clock.now_ms())
        made = enricher.entry(event, PLAIN, CLIENT, Place(), clock.now_ms())
        assert made.user_hash == hash_visitor(PLAIN.secret, "visitor", CLIENT.address, CHROME)
        assert made.earlier_hash is None

    def test_a_salted_one_by_the_day_of_receipt_whatever_time_the_event_names(
        self, tmp_path: Path, control: Engine, clocks: Clocks
    ) -> None:
        salts = DaySalts(control)
        enricher = Enricher(GeoDatabase(tmp_path / "none.mmdb"), Visitors(salts))
        # Noon, when the salt of the day before does not count any more.
        clocks.now_ms = NOON_MS
        today = clock.now().date()
        key = SALTED.secret + salts.of(today)
        for days in (3, 1, 0):
            timestamp = NOON_MS - days * 24 * 3_600_000
            event = validate_event(
                {"site_id": "1", "timestamp": clock.to_iso(clock.from_ms(timestamp))}, now_ms=NOON_MS
            )
            made = enricher.entry(event, SALTED, CLIENT, Place(), clock.now_ms())
            assert made.timestamp == timestamp
            assert made.user_hash == hash_visitor(key, "visitor", CLIENT.address, CHROME)
            assert made.earlier_hash is None
        # No salt was made for a day that is over.
        with Session(control) as session:
            assert session.scalars(select(DaySalt.day)).all() == [today]

    def test_by_name(self, enricher: Enricher) -> None:
        event = validate_event({"site_id": "1", "user_id": " ann "}, now_ms=clock.now_ms())
        made = enricher.entry(event, PLAIN, CLIENT, Place(), clock.now_ms())
        assert made.user_hash == hash_named(PLAIN, "ann")

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({}, CLIENT),
            ({"ip_address": "::ffff:198.51.100.1"}, Client("198.51.100.1", CHROME)),
            ({"ip_address": "2001:DB8::0:1"}, Client("2001:db8::1", CHROME)),
            ({"user_agent": "curl/8"}, Client(CLIENT.address, "curl/8")),
            ({"user_agent": ""}, Client(CLIENT.address, "")),
        ],
    )
    def test_what_the_event_says_wins(self, fields: dict[str, str], expected: Client) -> None:
        event = validate_event({"site_id": "1", **fields}, now_ms=clock.now_ms())
        assert CLIENT.overridden_by(event) == expected


def _text(longest: int, least: int = 0) -> st.SearchStrategy[str]:
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.text(characters, min_size=least, max_size=min(longest, 60))


_QUERY = _text(60) | st.lists(
    st.tuples(st.sampled_from(["utm_source", "UTM_Medium", "gclid", "a", "%00", ""]), st.binary(max_size=4)),
    max_size=4,
).map(lambda pairs: "&".join(f"{name}={''.join(f'%{byte:02x}' for byte in value)}" for name, value in pairs))
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "pathname": _text(60),
        "hostname": _text(60),
        "page_title": _text(60),
        "referrer": _text(60)
        | st.sampled_from(["https://[::1]/", "android-app://a.b", "http://" + "ä" * 30]),
        "querystring": _QUERY,
        "language": _text(35),
        "user_id": _text(60),
        "user_agent": _text(60),
        "event_id": _text(60, 1),
        "screenWidth": st.integers(1, 2**31 - 1),
        "properties": st.dictionaries(_text(10), _text(10) | _FLOATS | st.none()).map(json.dumps),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(_EVENTS, min_size=1, max_size=4))
def test_every_event_that_is_let_in_reaches_the_table(
    enricher: Enricher, parts: Parts, events: list[dict[str, Any]]
) -> None:
    before = parts.count()
    checked = [validate_event({**data, "site_id": "1"}, now_ms=clock.now_ms()) for data in events]
    entries = [enricher.entry(each, PLAIN, CLIENT, Place(), clock.now_ms()) for each in checked]
    stored = parts.journal.append(entries)
    parts.journal.close_file()
    assert parts.mover.move_all() == sum(stored)
    assert list(parts.journal_folder.quarantine.iterdir()) == []
    assert parts.count() == before + sum(stored)
    rows = parts.store.query(
        "select coalesce(pathname, '') from events order by id desc limit $n", {"n": sum(stored)}
    )
    expected = [each.pathname or "" for each, new in zip(checked, stored, strict=True) if new]
    assert [row[0] for row in reversed(rows)] == expected
