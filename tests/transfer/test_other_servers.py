"""Exports of other servers: Umami's events and Plausible's daily figures."""

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rybbit.ingest.directory import TrackedSite
from rybbit.ingest.exclusions import Exclusions
from rybbit.store.event import is_readable
from rybbit.transfer.files import open_export
from rybbit.transfer.rows import BadRow, Columns, NoExport
from tests.store.parts import NOON_MS

SITE = TrackedSite(
    site_id=3,
    id="0" * 12,
    organization_id="o",
    restricted=False,
    domain="shop.example",
    block_bots=True,
    track_ip=False,
    salt_user_ids=False,
    secret=b"secret",
    exclusions=Exclusions({}, {}),
)
UMAMI = {
    "website_id": "w",
    "session_id": "s1",
    "visit_id": "v",
    "event_id": "e",
    "hostname": "www.shop.example",
    "browser": "edge-chromium",
    "os": "Windows 10",
    "device": "laptop",
    "screen": "1920x1080",
    "language": "de-DE",
    "country": "DE",
    "region": "DE-BE",
    "city": "Berlin",
    "url_path": "/a",
    "url_query": "utm_source=x&utm_medium=email&q=1",
    "referrer_path": "/r",
    "referrer_query": "a=b",
    "referrer_domain": "news.example",
    "page_title": "A, b",
    "event_type": "1",
    "event_name": "",
    "distinct_id": "",
    "created_at": "2026-02-01 12:00:00",
}
UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def umami_file(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(UMAMI))
        writer.writeheader()
        writer.writerows({**UMAMI, **row} for row in rows)
    return path


def imported(path: Path, zone: ZoneInfo = UTC) -> tuple[list[Columns], list[str]]:
    """The events of a file, and its bad rows."""
    source = open_export(path, "auto", zone)
    events, problems = [], []
    for row in source.rows():
        if row.problem:
            problems.append(f"{row.place}: {row.problem}")
            continue
        try:
            events.append(source.columns(row.fields, SITE, NOON_MS))
        except BadRow as error:
            problems.append(f"{row.place}: {error}")
    assert all(is_readable({**columns, "id": 1, "session_id": 1}) for columns in events)
    return events, problems


class TestUmami:
    """The table of events."""

    def test_a_pageview_has_what_umami_knew(self, tmp_path: Path) -> None:
        ((found,), problems) = imported(umami_file(tmp_path / "x.csv", {}))
        assert problems == []
        hidden = {"user_hash"}
        assert {name: value for name, value in found.items() if name not in hidden} == {
            "site_id": 3,
            "timestamp": 1_769_947_200_000,
            "type": "pageview",
            "hostname": "www.shop.example",
            "pathname": "/a",
            "querystring": "?utm_source=x&utm_medium=email&q=1",
            "url_parameters": '{"q":"1"}',
            "page_title": "A, b",
            "referrer": "https://news.example/r?a=b",
            "referrer_domain": "news.example",
            "channel": "Email",
            "utm_source": "x",
            "utm_medium": "email",
            "browser": "Edge",
            "operating_system": "Windows",
            "operating_system_version": "10",
            "device_type": "Desktop",
            "screen_width": 1920,
            "screen_height": 1080,
            "language": "de-DE",
            "country": "DE",
            "region": "DE-BE",
            "city": "Berlin",
        }

    def test_sessions_of_umami_are_visitors(self, tmp_path: Path) -> None:
        rows = ({}, {"session_id": "s2"}, {}, {"distinct_id": "ann"})
        events, _ = imported(umami_file(tmp_path / "x.csv", *rows))
        first, second, third, named = (event["user_hash"] for event in events)
        assert first == third != second
        assert named not in (first, second)
        assert events[3]["user_id"] == "ann"

    def test_events_of_ones_own_and_moments_of_a_zone(self, tmp_path: Path) -> None:
        rows = (
            {"event_type": "2", "event_name": "buy"},
            {"created_at": "2026-02-01T12:00:00Z"},
            {"created_at": "2026-02-01 12:00:00.250+02:00"},
        )
        events, _ = imported(umami_file(tmp_path / "x.csv", *rows), BERLIN)
        assert (events[0]["type"], events[0]["event_name"]) == ("custom_event", "buy")
        noon = 1_769_947_200_000
        assert [event["timestamp"] - noon for event in events] == [-3_600_000, 0, -7_199_750]

    def test_older_exports_name_regions_differently(self, tmp_path: Path) -> None:
        path = umami_file(tmp_path / "x.csv", {"region": "BY"})
        path.write_text(path.read_text().replace(",region,", ",subdivision1,"))
        assert imported(path)[0][0]["region"] == "DE-BY"

    def test_bad_rows_are_named(self, tmp_path: Path) -> None:
        rows = (
            {},
            {"event_type": "7"},
            {"created_at": "x"},
            {"session_id": ""},
            {"page_title": "two\nlines"},
            {"url_path": ""},
        )
        path = umami_file(tmp_path / "x.csv", *rows)
        path.write_bytes(path.read_bytes() + b"too,few\r\n")
        events, problems = imported(path)
        assert len(events) == 2
        assert [text.partition(":")[0] for text in problems] == [
            *("line 3", "line 4", "line 5", "line 8", "line 9"),
        ]

    def test_the_zip_of_the_cloud(self, tmp_path: Path) -> None:
        csv_file = umami_file(tmp_path / "website_event.csv", {}, {})
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.write(csv_file, "export/website_event.csv")
            archive.writestr("export/session.csv", "a,b\n")
        assert len(imported(tmp_path / "x.zip")[0]) == 2


def table(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


def plausible_tables() -> dict[str, str]:
    days = ("2026-01-05", "2026-01-06")
    return {
        "visitors": table(
            "date,visitors,pageviews,bounces,visits,visit_duration",
            f"{days[0]},40,120,25,50,6000",
            f"{days[1]},10,12,9,10,100",
        ),
        "pages": table(
            "date,hostname,page,visits,visitors,pageviews",
            f"{days[0]},shop.example,/,30,30,70",
            f"{days[0]},shop.example,/b,20,20,50",
            f"{days[1]},shop.example,/,10,10,12",
        ),
        "entry_pages": table(
            "date,entry_page,visitors,entrances,visit_duration,bounces,pageviews",
            f"{days[0]},/,30,35,0,20,60",
            f"{days[0]},/b,10,15,0,5,60",
            f"{days[1]},/,10,10,0,9,12",
        ),
        "sources": table(
            "date,source,referrer,utm_source,utm_medium,utm_campaign,utm_content,utm_term,visitors,visits",
            f"{days[0]},Google,,,,,,,20,22",
            f"{days[0]},news.example,news.example/x,,,,,,5,8",
            f"{days[0]},,,,,,,,15,20",
        ),
        "browsers": table(
            "date,browser,browser_version,visitors,visits",
            f"{days[0]},Firefox,140.0,20,30",
            f"{days[0]},Chrome,138,20,20",
        ),
        "locations": table(
            "date,country,region,city,visitors,visits",
            f"{days[0]},DE,DE-BE,2950159,20,30",
            f"{days[0]},US,,0,10,20",
        ),
        "devices": table("date,device,visitors,visits", f"{days[0]},Mobile,20,31", f"{days[0]},Laptop,20,19"),
        "custom_events": table(
            "date,name,link_url,path,visitors,events",
            f"{days[0]},Signup,,,3,4",
            f"{days[0]},Outbound Link: Click,https://x.example/,,2,5",
        ),
    }


def plausible_zip(path: Path, tables: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in tables.items():
            archive.writestr(f"imported_{name}_20260105_20260106.csv", text)
    return path


def visits_of(events: list[Columns]) -> dict[tuple[int, int], list[Columns]]:
    """Pageviews by visitor and visit, after the rule of thirty minutes."""
    found: dict[tuple[int, int], list[Columns]] = {}
    last: dict[int, tuple[int, int]] = {}
    for event in sorted(events, key=lambda event: event["timestamp"]):
        visitor = event["user_hash"]
        number, before = last.get(visitor, (0, 0))
        number += event["timestamp"] - before > 30 * 60_000
        last[visitor] = (number, event["timestamp"])
        if event["type"] == "pageview":
            found.setdefault((visitor, number), []).append(event)
    return found


class TestPlausible:
    """Daily figures, and the visits that add up to them."""

    @pytest.fixture
    def first_day(self, tmp_path: Path) -> list[Columns]:
        events, problems = imported(plausible_zip(tmp_path / "x.zip", plausible_tables()), BERLIN)
        assert problems == []
        midnight = 1_767_654_000_000  # 2026-01-06 in Berlin
        assert len([event for event in events if event["timestamp"] >= midnight]) == 12
        return [event for event in events if event["timestamp"] < midnight]

    def test_the_day_adds_up(self, first_day: list[Columns]) -> None:
        visits = visits_of(first_day)
        assert len({event["user_hash"] for event in first_day}) == 40
        assert len(visits) == 50
        assert sum(len(pages) for pages in visits.values()) == 120
        assert sum(len(pages) == 1 for pages in visits.values()) == 25
        length = sum(pages[-1]["timestamp"] - pages[0]["timestamp"] for pages in visits.values())
        assert length == pytest.approx(6_000_000, rel=0.01)

    def test_pages_and_entries(self, first_day: list[Columns]) -> None:
        pages = Counter(event["pathname"] for event in first_day if event["type"] == "pageview")
        assert pages == {"/": 70, "/b": 50}
        entries = Counter(visit[0]["pathname"] for visit in visits_of(first_day).values())
        assert entries == {"/": 35, "/b": 15}

    @pytest.mark.parametrize(
        ("column", "expected"),
        [
            ("referrer_domain", {"google.com": 22, "news.example": 8, None: 20}),
            ("channel", {"Organic Search": 22, "Referral": 8, "Direct": 20}),
            ("browser", {"Firefox": 30, "Chrome": 20}),
            ("browser_version", {"140": 30, "138": 20}),
            ("device_type", {"Mobile": 31, "Desktop": 19}),
            ("country", {"DE": 30, "US": 20}),
            ("region", {"DE-BE": 30, None: 20}),
        ],
    )
    def test_what_visits_have(self, first_day: list[Columns], column: str, expected: dict[Any, int]) -> None:
        firsts = [visit[0].get(column) for visit in visits_of(first_day).values()]
        assert Counter(firsts) == expected

    def test_events_of_ones_own(self, first_day: list[Columns]) -> None:
        others = Counter((event["type"], event.get("event_name")) for event in first_day)
        assert others["custom_event", "Signup"] == 4
        assert others["outbound", None] == 5

    def test_bad_lines_are_told_by_file_and_line(self, tmp_path: Path) -> None:
        tables = plausible_tables()
        tables["pages"] += "2026-01-05,h,/c,1,1,many\nnever,h,/c,1,1,1\n"
        _, problems = imported(plausible_zip(tmp_path / "x.zip", tables))
        assert [text.partition(": ")[0] for text in problems] == [
            *("imported_pages_20260105_20260106.csv line 5", "imported_pages_20260105_20260106.csv line 6"),
        ]

    def test_figures_that_contradict_each_other_lose_no_pageview(self, tmp_path: Path) -> None:
        tables = {
            "visitors": table(
                "date,visitors,pageviews,bounces,visits,visit_duration",
                "2026-01-01,9,5,20,7,99999999",
                "2026-01-02,0,3,0,1,0",
                "2026-01-03,4,9,4,4,0",
                "2026-01-04,3,0,0,3,0",
            ),
            "pages": table("date,hostname,page,visits,visitors,pageviews", "2026-01-01,h,/x,1,1,1"),
        }
        events, problems = imported(plausible_zip(tmp_path / "x.zip", tables))
        assert problems == []
        days = Counter(event["timestamp"] // 86_400_000 for event in events)
        assert sorted(days.values()) == [3, 5, 9]

    def test_without_its_main_tables_it_is_none(self, tmp_path: Path) -> None:
        tables = {"visitors": plausible_tables()["visitors"]}
        with pytest.raises(NoExport, match="imported_pages"):
            imported(plausible_zip(tmp_path / "x.zip", tables))


def test_text_in_a_zip_is_read_as_it_is(tmp_path: Path) -> None:
    tables = plausible_tables()
    buffer = io.StringIO()
    csv.writer(buffer).writerow(["2026-01-06", "h", '/ü"q', 1, 1, 3])
    tables["pages"] += buffer.getvalue()
    tables["pages"] = tables["pages"].replace("/,10,10,12", "/,10,10,9")
    events, _ = imported(plausible_zip(tmp_path / "x.zip", tables))
    assert Counter(event["pathname"] for event in events)['/ü"q'] == 3
