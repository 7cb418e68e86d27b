"""The few values that made-up traffic is drawn from, so that its groups meet; many of them are hostile."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

Columns = dict[str, Any]

SITE, OTHER_SITE = 1, 2


@dataclass(frozen=True)
class World:
    """A zone and a midnight in it, from which traffic is timed."""

    zone: str
    year: int
    month: int
    day: int

    @property
    def midnight_ms(self) -> int:
        """The moment that the day begins."""
        return int(datetime(self.year, self.month, self.day, tzinfo=ZoneInfo(self.zone)).timestamp() * 1000)

    @property
    def now_ms(self) -> int:
        """The moment at which all events are in, in the middle of a minute, ten days later."""
        return self.midnight_ms + 10 * 86_400_000 + 13 * 3_600_000 + 7 * 60_000 + 31_234


# Days on which clocks change, but for India's and the leap day.
WORLDS = (
    World("Europe/Berlin", 2026, 3, 29),
    World("Europe/Berlin", 2025, 10, 26),
    World("America/New_York", 2026, 3, 8),
    World("America/New_York", 2025, 11, 2),
    World("Australia/Lord_Howe", 2025, 10, 5),
    World("Australia/Lord_Howe", 2026, 4, 5),
    World("America/St_Johns", 2026, 3, 8),
    World("America/St_Johns", 2025, 11, 2),
    World("Asia/Kolkata", 2025, 12, 31),
    World("America/Santiago", 2025, 9, 7),
    # Clocks change twice within weeks: the month of fasting has no summer time.
    World("Africa/Casablanca", 2026, 2, 15),
    World("UTC", 2024, 2, 29),
)
ZONES = tuple(dict.fromkeys(world.zone for world in WORLDS))

VISITORS: tuple[Columns, ...] = (
    {"site_id": SITE, "user_hash": 7},
    {"site_id": SITE, "user_hash": -7},
    {"site_id": SITE, "user_hash": 2**63 - 1},
    {"site_id": SITE, "user_hash": -(2**63)},
    {"site_id": SITE, "user_hash": 1001, "user_id": "anna"},
    {"site_id": SITE, "user_hash": 1002, "user_id": "o'neil \"; drop table events; --"},
    {"site_id": SITE, "user_hash": 1003, "user_id": "🦊 שלום"},
    {"site_id": SITE, "user_hash": -1004, "user_id": "ANNA"},
    {"site_id": OTHER_SITE, "user_hash": 7},
    {"site_id": OTHER_SITE, "user_hash": 1001, "user_id": "anna"},
)

HOSTILE = (
    'it\'s "quoted" \\ and `ticked`',
    "two\nlines\r\n\tand a tab",
    "'); drop table events; --",
    "🦊👩‍👩‍👧 e\u0301",
    "\u202eevil\u202c مرحبا שלום",
    "$site_id {matching} %s ?",
    "a.*b|^$[",
    " ",
    "x" * 2000,
)

_URL_PARAMETERS = (
    {"id": "1", "q": "shoes & socks"},
    {"id": "10", "q": ""},
    {"id": "-2.5e", "a/b~c": "slashed", "$.q": "dotted", '"': "quote", "": "nameless"},
    {"q": HOSTILE[0], "🦊": HOSTILE[4]},
)
PAGES: tuple[Columns, ...] = (
    {"hostname": "example.com", "pathname": "/", "page_title": "Home"},
    {"hostname": "example.com", "pathname": "/a", "page_title": "A", "querystring": "?id=1"},
    {"hostname": "www.example.com", "pathname": "/a", "page_title": "Also A"},
    {"hostname": "example.com", "pathname": "/a/b", "page_title": None},
    {"hostname": "example.com", "pathname": "/A", "page_title": "Home"},
    {"pathname": "/blog/2026", "page_title": "2026 in numbers"},
    {"hostname": "example.com", "pathname": None, "page_title": "Nowhere"},
    {"hostname": "", "pathname": "", "page_title": ""},
    {},
    *({"hostname": "example.com", "pathname": f"/{each}", "page_title": each} for each in HOSTILE),
)
QUERIES: tuple[Columns, ...] = (
    {},
    {"querystring": None, "url_parameters": None},
    *({"querystring": "?x", "url_parameters": json.dumps(each)} for each in _URL_PARAMETERS),
    {"querystring": HOSTILE[2], "url_parameters": json.dumps(_URL_PARAMETERS[0], ensure_ascii=False)},
)
URL_PARAMETER_NAMES = ("id", "q", "a/b~c", "$.q", '"', "🦊", "none", "utm_source")

SOURCES: tuple[Columns, ...] = (
    {},
    {"channel": "Direct"},
    {"channel": "Internal", "referrer": "https://example.com/a", "referrer_domain": "example.com"},
    {"channel": "Referral", "referrer": "https://www.news.org/x?y", "referrer_domain": "news.org"},
    {"channel": "Organic Search", "referrer": "https://google.com/", "referrer_domain": "google.com"},
    {"channel": "Email", "utm_source": "letter", "utm_medium": "email", "utm_campaign": "May"},
    {"channel": "Paid Search", "utm_source": "google", "utm_term": HOSTILE[0], "utm_content": "2"},
    {"channel": None, "utm_source": "", "utm_campaign": HOSTILE[1], "utm_medium": HOSTILE[4]},
    {"channel": "", "referrer": "", "referrer_domain": None, "utm_content": "10"},
)

_PHONE = {"device_type": "Mobile", "screen_width": 390, "screen_height": 844, "operating_system": "iOS"}
_DESK = {"device_type": "Desktop", "screen_width": 1920, "screen_height": 1080}
DEVICES: tuple[Columns, ...] = (
    {},
    {**_PHONE, "browser": "Safari", "browser_version": "18.2", "language": "de-DE"},
    {**_PHONE, "browser": "Chrome", "browser_version": "126.0.1", "operating_system_version": "18.10"},
    {**_DESK, "browser": "Chrome", "browser_version": "99", "operating_system": "Windows", "language": "en"},
    {**_DESK, "browser": "Firefox", "browser_version": "-3x", "operating_system_version": "11"},
    {"browser": "", "operating_system": None, "screen_width": 1920, "language": HOSTILE[4]},
    {"browser": HOSTILE[0], "browser_version": "v2", "screen_height": 844, "device_type": HOSTILE[2]},
)
PLACES: tuple[Columns, ...] = (
    {},
    {
        "country": "DE",
        "region": "DE-BE",
        "city": "Berlin",
        "lat": 52.52,
        "lon": 13.405,
        "timezone": "Europe/Berlin",
    },
    {"country": "DE", "region": "DE-BY", "city": "München", "lat": 48.1, "lon": 11.5},
    {"country": "US", "region": "US-OR", "city": "Springfield", "lat": 44.0, "lon": -123.0},
    {
        "country": "US",
        "region": "US-IL",
        "city": "Springfield",
        "lat": 39.8,
        "lon": -89.6,
        "timezone": "America/Chicago",
    },
    {"country": "GH", "city": None, "lat": 0, "lon": 0},
    {"country": "FJ", "city": "", "lat": -17.7},
    {"city": HOSTILE[3], "lat": 52.52, "lon": 13.405, "timezone": ""},
)

EVENT_NAMES = ("signup", "Signup", "buy", "10 things", *HOSTILE)
PROPERTIES = (
    None,
    "{}",
    '{"plan":"pro","seats":3}',
    '{"plan":"basic","seats":3.5,"new":true}',
    '{"plan":"pro","seats":"3","old":false,"note":null}',
    '{"deep":{"a":[1,2,{"b":null}]},"list":["x","y"],"empty":{}}',
    '{"plan":"it\'s \\"quoted\\" \\\\ \\n line","🦊":"שלום","":"nameless","a.b":1,"$.plan":"dollar"}',
    '["no","object"]',
    '"text"',
    "12",
    "null",
    "",
)
LINKS = ("https://example.org/", "https://example.org/?a='b'", "https://例え.jp/🦊", "mailto:a@b.c")
ERRORS: tuple[Columns, ...] = (
    {
        "message": "x is undefined",
        "stack": "at f (app.js:1:2)",
        "fileName": "app.js",
        "lineNumber": 1,
        "columnNumber": 2,
    },
    {"message": "x is undefined", "stack": None, "fileName": "other.js", "lineNumber": 30},
    {"message": HOSTILE[0]},
    {"message": HOSTILE[1], "stack": HOSTILE[8], "columnNumber": 0},
    {"message": HOSTILE[4], "lineNumber": 2**31 - 1},
)
ERROR_NAMES = ("TypeError", "Error", HOSTILE[3])
VITALS = (None, 0, 0.1, 0.25, 1, 12.5, 100, 100, 2500.75, 4000)
