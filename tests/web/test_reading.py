"""What can be read of a site: overview, events, has-data, live-user-count, drops."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rybbit import clock
from tests.web.world import BRITISH, Sender, Tenant, World

EVENT_FIELDS = [
    *("event_id", "timestamp", "type", "event_name", "properties", "session_id", "user_id"),
    *("hostname", "pathname", "querystring", "page_title", "referrer", "channel"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"),
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("language", "country", "region", "city", "timezone", "lat", "lon", "screen_width", "screen_height"),
    *("lcp", "cls", "inp", "fcp", "ttfb", "identified_user_id"),
]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = "';\"\\ \n\r\t<script>${x}{{7*7}}%00 -- \u202e😀 ' or '1'='1"

# What `test_fields` sends, as it is shown.
SHOWN = {
    "event_id": "e1",
    "timestamp": "2026-03-01T12:00:00.000Z",
    "type": "custom_event",
    "event_name": "bought",
    "properties": '{"plan": "pro"}',
    "user_id": "u1",
    "hostname": "h.example",
    "pathname": "/p",
    "querystring": "?utm_source=s&utm_medium=email",
    "page_title": "T",
    "referrer": "https://news.example.org/x",
    "channel": "Email",
    "utm_source": "s",
    "utm_medium": "email",
    "utm_campaign": "",
    "utm_term": "",
    "utm_content": "",
    "browser": "Firefox",
    "browser_version": "140",
    "operating_system": "Linux",
    "operating_system_version": "",
    "device_type": "Desktop",
    "language": "de",
    "country": "GB",
    "region": "GB-ENG",
    "city": "London",
    "timezone": "Europe/London",
    "lat": 51.5,
    "lon": -0.12,
    "screen_width": 1920,
    "screen_height": 1080,
    **dict.fromkeys(("lcp", "cls", "inp", "fcp", "ttfb")),
    "identified_user_id": "u1",
}


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return {"RYBBIT_TRACK_RATE_LIMIT": ""}


@pytest.fixture
def sender(world: World, tenant: Tenant) -> Sender:
    return Sender(world.client(), tenant)


def _read(world: World, tenant: Tenant, question: str) -> Any:
    answer = world.read(tenant, question)
    assert answer.status_code == 200, answer.data
    return json.loads(answer.data)


def _iso(moment: datetime) -> str:
    return clock.to_iso(moment)


def _move(world: World) -> None:
    """From the journal to the store, as it happens after a while."""
    world.runtime.journal.close_file()
    assert world.runtime.mover.move_all() > 0


class TestOverview:
    """The headline figures."""

    def test_figures(self, world: World, sender: Sender) -> None:
        began = clock.now() - timedelta(hours=3)
        for user, minutes, kind in (
            ("a", 0, "pageview"),
            ("a", 10, "pageview"),
            ("b", 0, "pageview"),
            ("b", 5, "custom_event"),
            ("c", 0, "custom_event"),
            ("a", 45, "pageview"),
        ):
            moment = _iso(began + timedelta(minutes=minutes))
            answer = sender.send(type=kind, event_name="e", user_id=user, timestamp=moment)
            assert answer.json == {"success": True}
        expected = {
            "data": {
                "sessions": 4,
                "pageviews": 4,
                "users": 3,
                "pages_per_session": 1.0,
                "bounce_rate": 50.0,
                "session_duration": (600 + 300) / 4,
            }
        }
        assert _read(world, sender.tenant, "overview") == expected
        _move(world)
        assert _read(world, sender.tenant, "overview") == expected

    def test_of_nothing(self, world: World, tenant: Tenant) -> None:
        figures = _read(world, tenant, "overview")["data"]
        assert list(figures) == [
            *("sessions", "pageviews", "users", "pages_per_session", "bounce_rate", "session_duration")
        ]
        assert set(figures.values()) == {0}

    @pytest.mark.parametrize(
        ("period", "pageviews"),
        [
            ("", 4),
            ("start_date=2026-03-01&end_date=2026-03-01", 2),
            ("start_date=2026-03-02", 2),
            ("end_date=2026-02-28", 0),
            ("start_date=2026-03-01&end_date=2026-03-01&time_zone=America/New_York", 3),
            ("start_date=2026-03-02&end_date=2026-03-03&time_zone=Asia/Tokyo", 2),
            ("past_minutes_start=60", 1),
            ("past_minutes_start=60&past_minutes_end=30", 0),
            ("past_minutes_start=60&past_minutes_end=0", 1),
        ],
    )
    def test_periods(self, world: World, sender: Sender, period: str, pageviews: int) -> None:
        for moment in (
            NOON,
            datetime(2026, 3, 1, 23, 59, 59, 999_000, UTC),
            datetime(2026, 3, 2, 4, tzinfo=UTC),
        ):
            assert sender.send(timestamp=_iso(moment)).json == {"success": True}
        assert sender.send().json == {"success": True}
        assert _read(world, sender.tenant, f"overview?{period}")["data"]["pageviews"] == pageviews

    def test_sites_are_apart(self, world: World, sender: Sender) -> None:
        sender.send()
        assert _read(world, world.add_tenant(), "overview")["data"]["pageviews"] == 0
        assert _read(world, sender.tenant, "overview")["data"]["pageviews"] == 1


class TestEvents:
    """Raw events, newest first."""

    def test_fields(self, world: World, sender: Sender) -> None:
        sender.send(
            type="custom_event",
            event_name="bought",
            properties='{"plan": "pro"}',
            user_id="u1",
            event_id="e1",
            pathname="/p",
            hostname="h.example",
            page_title="T",
            querystring="?utm_source=s&utm_medium=email",
            referrer="https://news.example.org/x",
            language="de",
            screenWidth=1920,
            screenHeight=1080,
            ip_address=BRITISH,
            timestamp=_iso(NOON),
        )
        for moved in (False, True):
            if moved:
                _move(world)
            answer = _read(world, sender.tenant, "events")
            assert list(answer) == ["data", "cursor"]
            assert answer["cursor"] == {"hasMore": False, "oldestTimestamp": "2026-03-01T12:00:00.000Z"}
            (event,) = answer["data"]
            assert list(event) == EVENT_FIELDS
            assert event.pop("session_id").lstrip("-").isdigit()
            assert event == SHOWN

    def test_an_event_is_readable_with_the_answer(self, world: World, sender: Sender) -> None:
        for number in range(5):
            sender.send(pathname=f"/{number}")
            newest = _read(world, sender.tenant, "events?page_size=1")["data"]
            assert [event["pathname"] for event in newest][:1] == [f"/{number}"]

    def test_whoever_is_not_named_has_an_id(self, world: World, sender: Sender) -> None:
        sender.send()
        sender.send()
        sender.send(user_agent="another")
        ids = [event["user_id"] for event in _read(world, sender.tenant, "events")["data"]]
        assert ids[1] == ids[2] != ids[0]
        assert all(len(user_id) == 16 and int(user_id, 16) >= 0 for user_id in ids)

    def test_of_nothing(self, world: World, tenant: Tenant) -> None:
        empty = {"data": [], "cursor": {"hasMore": False, "oldestTimestamp": None}}
        assert _read(world, tenant, "events") == empty

    @pytest.mark.parametrize("moved", [False, True])
    @pytest.mark.parametrize("page_size", [1, 2, 3, 7, 50])
    def test_pages_neither_skip_nor_double(
        self, world: World, sender: Sender, page_size: int, moved: bool
    ) -> None:
        # Seven events in three milliseconds, and some alone.
        shifts = [0, 1, 1, 1, 2, 2, 2, 500, 501, 60_000]
        moments = [NOON + timedelta(milliseconds=shift) for shift in shifts]
        events = [
            sender.event(timestamp=_iso(moment), event_id=str(number))
            for number, moment in enumerate(moments)
        ]
        body = {"events": events, "api_key": sender.tenant.api_key}
        assert sender.post(body, path="/api/track/batch").status_code == 200
        if moved:
            _move(world)
        seen: list[str] = []
        cursor = ""
        for _ in range(len(events) + 1):
            page = _read(world, sender.tenant, f"events?page_size={page_size}{cursor}")
            assert len(page["data"]) >= min(page_size, len(events) - len(seen))
            seen += [event["event_id"] for event in page["data"]]
            cursor = f"&before_timestamp={page['cursor']['oldestTimestamp']}"
            if not page["cursor"]["hasMore"]:
                break
        assert seen == [str(number) for number in reversed(range(len(events)))]

    def test_since_and_before(self, world: World, sender: Sender) -> None:
        for minute in range(5):
            sender.send(timestamp=_iso(NOON + timedelta(minutes=minute)), event_id=str(minute))

        def seen(query: str) -> str:
            return "".join(
                event["event_id"] for event in _read(world, sender.tenant, f"events?{query}")["data"]
            )

        def at(minute: int) -> str:
            return _iso(NOON + timedelta(minutes=minute))

        assert seen(f"since_timestamp={at(3)}") == "43"
        assert seen(f"before_timestamp={at(3)}") == "210"
        assert seen(f"since_timestamp={at(1)}&before_timestamp={at(3)}") == "21"
        assert seen(f"since_timestamp={round(NOON.timestamp() * 1000) + 60_000}") == "4321"
        assert seen("since_timestamp=2026-03-01T13:02:00%2B01:00") == "432"
        assert seen("since_timestamp=2026-03-01T13:02:00+01:00") == "432"
        assert seen("start_date=2026-03-02") == ""
        assert not _read(world, sender.tenant, f"events?since_timestamp={at(3)}")["cursor"]["hasMore"]

    def test_an_address_is_shown_if_it_is_kept(self, world: World, sender: Sender) -> None:
        sender.send(ip_address="198.51.100.1")
        world.change(sender.tenant, trackIp=True)
        sender.send(ip_address=BRITISH)
        addresses = [event["ip"] for event in _read(world, sender.tenant, "events")["data"]]
        assert addresses == [BRITISH, ""]
        world.change(sender.tenant, trackIp=False)
        assert all("ip" not in event for event in _read(world, sender.tenant, "events")["data"])

    def test_hostile_text_stays_data(self, world: World, sender: Sender) -> None:
        fields = {
            "event_name": HOSTILE,
            "user_id": f"x{HOSTILE}x",
            "pathname": HOSTILE,
            "hostname": HOSTILE,
            "page_title": HOSTILE,
            "querystring": HOSTILE,
            "properties": json.dumps({HOSTILE: {HOSTILE: [HOSTILE]}}),
            "event_id": HOSTILE[:64],
        }
        assert sender.post(
            sender.event(**fields, type="custom_event", api_key=sender.tenant.api_key)
        ).json == {"success": True}
        for moved in (False, True):
            if moved:
                _move(world)
            (event,) = _read(world, sender.tenant, "events")["data"]
            assert {name: event[name] for name in fields} == fields


class TestSmallOnes:
    """Whether there is anything, and who is there now."""

    def test_has_data(self, world: World, sender: Sender) -> None:
        assert _read(world, sender.tenant, "has-data") == {"hasData": False}
        sender.send(timestamp="2001-01-01")
        assert _read(world, sender.tenant, "has-data") == {"hasData": True}

    def test_live_user_count(self, world: World, sender: Sender) -> None:
        assert _read(world, sender.tenant, "live-user-count") == {"count": 0}
        now = clock.now()
        for user, minutes in (("a", 0), ("a", 2), ("b", 4), ("c", 6), ("d", 50)):
            sender.send(user_id=user, timestamp=_iso(now - timedelta(minutes=minutes)))
        assert _read(world, sender.tenant, "live-user-count") == {"count": 2}
        assert _read(world, sender.tenant, "live-user-count?minutes=1") == {"count": 1}
        assert _read(world, sender.tenant, "live-user-count?minutes=60") == {"count": 4}


class TestDrops:
    """What was refused or filtered."""

    def test_rows(self, world: World, sender: Sender) -> None:
        world.change(sender.tenant, excludedIPs=["198.51.100.0/24"])
        for _ in range(3):
            sender.send(ip_address="198.51.100.1")
        sender.send(typo=1)
        sender.send(key="x")
        world.runtime.drops.flush()
        hour = clock.to_iso(clock.now().replace(minute=0, second=0, microsecond=0))
        rows = _read(world, sender.tenant, "drops")["data"]
        # The hour may turn between the events and now.
        assert {row.pop("hour") for row in rows} <= {
            hour,
            _iso(datetime.fromisoformat(hour) - timedelta(hours=1)),
        }
        assert rows == [
            {"reason": "ip", "rule": "198.51.100.0/24", "count": 3},
            {"reason": "invalid_key", "rule": "", "count": 1},
            {"reason": "invalid_payload", "rule": "body", "count": 1},
        ]
        assert len(_read(world, sender.tenant, "drops?limit=1")["data"]) == 1
        tomorrow = _iso(clock.now() + timedelta(days=1))
        assert _read(world, sender.tenant, f"drops?since={tomorrow}") == {"data": []}
        assert len(_read(world, sender.tenant, "drops?since=2026-01-01")["data"]) == 3

    def test_are_there_unasked(self, world: World, sender: Sender) -> None:
        sender.send(typo=1)
        give_up = clock.monotonic() + 60
        while not _read(world, sender.tenant, "drops")["data"]:
            assert clock.monotonic() < give_up

    def test_are_due_within_a_second(self, world: World) -> None:
        """Asked of the plan: on a busy machine, a watch would tell of the machine."""
        (jobs,) = [
            {job.name: job.seconds for job in background._jobs}
            for background in world.runtime._background
            if any(job.run == world.runtime.drops.flush for job in background._jobs)
        ]
        # A job that just missed its time waits for the next look at the clock.
        assert jobs["drops"] + min(jobs.values()) <= 1

    def test_of_nothing(self, world: World, tenant: Tenant) -> None:
        assert _read(world, tenant, "drops") == {"data": []}
