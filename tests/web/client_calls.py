"""What programs that are written for this statistics API send, to the letter, and what they read of it.

They are kept by others, and not all of them can be installed; their calls are kept here: of MCP servers, of
report scripts, of an app for phones and of a client for Laravel.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

# All events are of March 2026.
_SINCE = str(int((datetime.now(UTC) - datetime(2026, 2, 1, tzinfo=UTC)).total_seconds()) // 60)

# As they name a time; empty values are sent by some.
DAYS = {"start_date": "2026-03-01", "end_date": "2026-03-31", "time_zone": "America/Mexico_City"}
MINUTES = {"past_minutes_start": _SINCE, "past_minutes_end": "0", "time_zone": "UTC"}
EMPTY = {"start_date": "", "end_date": "", "time_zone": "UTC"}
FROM_MINUTES = {"past_minutes_start": _SINCE}
MOMENTS = {"start_datetime": "2026-03-01 00:00:00", "end_datetime": "2026-04-01 00:00:00"}
TIMES: tuple[dict[str, str], ...] = (DAYS, MINUTES, EMPTY, FROM_MINUTES, MOMENTS, {})
FILTERS = ("", "[]", json.dumps([{"parameter": "country", "type": "equals", "value": ["GB", "DE"]}]))
PAGE = {"page": "1", "limit": "200"}

# By which they break visits down.
DIMENSIONS = (
    *("browser", "browser_version", "operating_system", "operating_system_version", "device_type"),
    *("dimensions", "language", "country", "region", "city", "timezone", "referrer", "channel", "hostname"),
    *("pathname", "page_title", "querystring", "entry_page", "exit_page", "event_name", "user_id"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "lat", "lon"),
)
BUCKETS = (
    *("minute", "five_minutes", "ten_minutes", "fifteen_minutes"),
    *("hour", "day", "week", "month", "year"),
)

NUMBERS = ("sessions", "pageviews", "users", "pages_per_session", "bounce_rate", "session_duration")
PLACE = ("country", "region", "city", "language")
DEVICE = ("browser", "browser_version", "operating_system", "operating_system_version", "device_type")
SESSION = (
    *("session_id", "user_id", "identified_user_id", "session_start", "session_end", "entry_page"),
    *("exit_page", "referrer", "channel", "hostname", "utm_source", "utm_medium", "utm_campaign"),
    *PLACE,
    *DEVICE,
)
SESSION_NUMBERS = ("session_duration", "pageviews", "events", "errors", "outbound")
USER = ("user_id", "identified_user_id", "first_seen", "last_seen", "referrer", "channel", *PLACE, *DEVICE)
EVENT = (
    *("timestamp", "type", "event_name", "properties", "session_id", "user_id", "identified_user_id"),
    *("hostname", "pathname", "querystring", "page_title", "referrer"),
    *PLACE,
    *DEVICE,
)
ERROR = ("timestamp", "session_id", "user_id", "pathname", "hostname", "browser", "country", "message")
COUNTS = ("pageview", "custom_event", "performance", "outbound", "error", "event")


@dataclass(frozen=True)
class Call:
    """A path with what is sent beside the time, where the rows are in the answer, and fields of a row.

    `{event}`, `{message}` and `{user}` stand for one that there is on the site.
    """

    path: str
    sent: dict[str, str] = field(default_factory=dict)
    place: str = "data"
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As the address has it."""
        return f"{self.path}?{'&'.join(self.sent)}"

    def address(self, names: dict[str, str], further: dict[str, str]) -> str:
        """The address on a site with these names, at a time and with filters."""
        sent = {name: value.format(**names) for name, value in self.sent.items()}
        return f"{self.path.format(**names)}?{urlencode({**further, **sent})}"


def _metric(parameter: str, **sent: str) -> Call:
    return Call("metric", {"parameter": parameter, **sent}, "data.data", ("value",), ("count", "percentage"))


def _users(**sent: str) -> Call:
    return Call("users", sent, "data", USER, ("sessions", "pageviews", "events"))


CALLS: tuple[Call, ...] = (
    Call("overview", numbers=NUMBERS),
    *(
        Call(path, sent, texts=("time",), numbers=NUMBERS)
        for path, sent in (
            ("overview-bucketed", {"bucket": "day", "stat": "users"}),
            ("overview-bucketed", {}),
            ("overview/time-series", {"bucket": "week"}),
        )
    ),
    Call(
        "metric",
        {"parameter": "pathname", **PAGE},
        "data.data",
        ("value", "title"),
        ("count", "percentage", "pageviews", "pageviews_percentage", "bounce_rate"),
    ),
    _metric("event_name", limit="500"),
    _metric("country"),
    _metric("entry_page", limit="20", page="1"),
    Call("page-titles", PAGE, "data.data", ("value", "pathname"), ("count", "percentage")),
    Call("page-titles", {"limit": "10"}, "data.data", ("value",), ("count",)),
    Call("session-locations", PAGE, "data", ("city", "country"), ("lat", "lon", "count")),
    Call("sessions/locations", {}, "data", ("city", "country"), ("lat", "lon", "count")),
    Call("sessions", {**PAGE, "min_duration": "1"}, "data", SESSION, SESSION_NUMBERS),
    Call("sessions", {"identified_only": "true", "page": "1", "limit": "20"}, "data", SESSION),
    Call("sessions", {"identified_only": "false", "user_id": "{user}"}, "data", SESSION, SESSION_NUMBERS),
    Call("users/{user}/sessions", {}, "data", SESSION, SESSION_NUMBERS),
    Call("users/{user}", {}, "data", USER, ("sessions", "pageviews", "events", "duration")),
    _users(**PAGE, sort_by="last_seen", sort_order="desc", identified_only="true"),
    _users(page_size="20", search="{user}", search_field="user_id"),
    *(_users(sort_by=name, sort_order="asc") for name in ("first_seen", "pageviews", "sessions", "events")),
    *(
        Call("users/session-count", {name: "{user}"}, "data", ("date",), ("sessions",))
        for name in ("userId", "user_id")
    ),
    *(
        Call("events", sent, "data", EVENT)
        for sent in (
            {"page_size": "500", "bucket": "hour"},
            {"page": "1", "page_size": "10"},
            {"limit": "200", "beforeTimestamp": "2026-12-01T00:00:00.000Z"},
            {"limit": "200", "beforeTimestamp": "2026-12-01 00:00:00"},
            {"limit": "100", "cursor": "2026-12-01T00:00:00.000Z"},
            {"since_timestamp": "2026-03-01 00:00:00.000"},
            {"afterTimestamp": "2026-03-01 00:00:00"},
        )
    ),
    Call("events/names", {}, "data", ("eventName",), ("count",)),
    Call(
        "events/properties", {"event_name": "{event}"}, "data", ("propertyKey", "propertyValue"), ("count",)
    ),
    Call("events/outbound", PAGE, "data", ("url", "lastClicked"), ("count",)),
    *(
        Call(path, sent, "data", ("time", "event_name"), ("event_count",))
        for path, sent in (
            ("events/bucketed", {"bucket": "day", "event": "x"}),
            ("events/time-series", {"bucket": "day", "limit": "5"}),
        )
    ),
    Call("events/count", {"bucket": "day"}, "data", ("time",), tuple(f"{kind}_count" for kind in COUNTS)),
    *(
        Call(path, sent, "data.data", ("value", "errorName"), ("count", "sessionCount", "percentage"))
        for path, sent in (
            ("error-names", {**PAGE, "bucket": "day"}),
            ("error-names", {}),
            ("errors/names", {"limit": "25"}),
        )
    ),
    Call(
        "error-events",
        {"errorMessage": "{message}", **PAGE},
        "data.data",
        (*ERROR, "stack", "fileName"),
        ("lineNumber",),
    ),
    Call("error-events", {"errorMessage": "{message}"}, "data", ERROR),
    Call(
        "error-bucketed", {"errorMessage": "{message}", "bucket": "day"}, "data", ("time",), ("error_count",)
    ),
    Call("performance/overview", {}, "data", (), ("lcp_p75", "cls_p75", "fcp_p75", "ttfb_p75")),
    Call("performance/time-series", {"bucket": "year"}, "data", ("time",), ("lcp_p75", "event_count")),
    *(
        Call(
            "performance/by-dimension",
            {"dimension": name, "sort_by": "lcp_p75", "sort_order": "desc"},
            "data.data",
            (name,),
            ("lcp_p75", "event_count"),
        )
        for name in ("pathname", "browser", "operating_system", "country")
    ),
    Call("journeys", {"steps": "3", "limit": "100"}, "journeys", (), ("count", "percentage")),
    Call("journeys", {"stepFilters": '{{"0":"/"}}'}, "journeys", (), ("count",)),
    Call(
        "goals",
        {"page_size": "100", "sort": "createdAt", "order": "desc"},
        "data",
        ("goalType",),
        ("goalId", "total_conversions", "total_sessions", "conversion_rate"),
    ),
    Call("funnels", {}, "data", ("name", "createdAt"), ("id",)),
)
