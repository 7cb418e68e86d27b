"""Exports of Umami and Plausible through the command and into the store: what is read is what they say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rybbit.stats.breakdown import breakdown
from rybbit.stats.dimensions import find_dimension
from rybbit.stats.overview import Overview, overview
from rybbit.stats.question import Question, parse_question
from rybbit.stats.sessions import session_page
from rybbit.store.base import EventStore
from tests.transfer.conftest import opened_store, run, stored
from tests.transfer.test_other_servers import plausible_tables, plausible_zip, umami_file

WHOLE = ""
HALF_WAY = "import:placed"
"""Where the command dies when the first part is in the journal, and the note does not say so yet."""


def import_file(folder: Path, file: Path, *options: str, crash_at: str, part: int) -> str:
    """Import into the first site, in parts of so many events, and again where it died."""
    command = ("import", str(file), "--site", "1", *options)
    if crash_at:
        run(folder, *command, code=-9, crash_at=crash_at, part=part)
        assert stored(folder, "select count(*) from events") == [(part,)]
    text = run(folder, *command, part=part)
    assert ("Went on where the import was broken off." in text) == bool(crash_at)
    return text


def asked(store: EventStore, day: str, zone: str = "UTC") -> Question:
    return parse_question(store, 1, {"start_date": day, "end_date": day, "time_zone": zone})


def sessions_by(store: EventStore, question: Question, dimension: str) -> dict[str, int]:
    rows = breakdown(store, question, find_dimension(dimension), limit=100).rows
    return {row["value"]: row["count"] for row in rows}


UMAMI_ROWS = (
    # The end of a visit before its beginning: exports are in no order.
    {"session_id": "s1", "created_at": "2026-02-01 10:20:00", "url_path": "/b"},
    {"session_id": "s1", "created_at": "2026-02-01 10:00:00", "url_path": "/a", "country": "FR"},
    {"session_id": "s1", "created_at": "2026-02-01 10:21:00", "event_type": "2", "event_name": "buy"},
    # After 31 minutes of nothing: another visit of the same visitor, and a bounce.
    {"session_id": "s1", "created_at": "2026-02-01 10:52:00", "url_path": "/c"},
    {"session_id": "s2", "created_at": "2026-02-01 10:05:00", "url_path": "/a"},
    {"session_id": "", "created_at": "2026-02-01 10:06:00", "url_path": "/nobody"},
    {"session_id": "s3", "created_at": "2026-02-01 11:00:00", "url_path": "/b", "distinct_id": "ann"},
    {"session_id": "s4", "created_at": "2026-02-01 11:10:00", "url_path": "/b", "distinct_id": "ann"},
    {"session_id": "s2", "created_at": "2026-02-02 00:00:00", "url_path": "/d"},
)
# The one that ended last first.
UMAMI_VISITS = [
    {"user": "ann", "entry": "/b", "exit": "/b", "pageviews": 2, "events": 0, "seconds": 600},
    {"user": "", "entry": "/c", "exit": "/c", "pageviews": 1, "events": 0, "seconds": 0},
    {"user": "", "entry": "/a", "exit": "/b", "pageviews": 2, "events": 1, "seconds": 1260},
    {"user": "", "entry": "/a", "exit": "/a", "pageviews": 1, "events": 0, "seconds": 0},
]


def shown(session: Mapping[str, Any]) -> dict[str, Any]:
    """A visit of a list in few words."""
    return {
        "user": session["identified_user_id"],
        "entry": session["entry_page"],
        "exit": session["exit_page"],
        "pageviews": session["pageviews"],
        "events": session["events"],
        "seconds": session["session_duration"],
    }


@pytest.mark.parametrize("crash_at", [WHOLE, HALF_WAY])
def test_of_umami_the_figures_are_those_of_its_events(folder: Path, tmp_path: Path, crash_at: str) -> None:
    file = umami_file(tmp_path / "umami.csv", *UMAMI_ROWS)
    text = import_file(folder, file, crash_at=crash_at, part=3)
    assert "Imported 8 events into example.com." in text
    assert "line 7: nothing says whose event it is" in text
    with opened_store(folder) as store:
        day = asked(store, "2026-02-01")
        assert overview(store, day) == Overview(
            sessions=4,
            pageviews=6,
            users=3,
            pages_per_session=1.5,
            bounce_rate=50.0,
            session_duration=(600 + 1260) / 4,
        )
        assert sessions_by(store, day, "entry_page") == {"/a": 2, "/b": 1, "/c": 1}
        assert [shown(row) for row in session_page(store, day, limit=100)] == UMAMI_VISITS
        # Somebody who moved within a visit was in both places.
        assert sessions_by(store, day, "country") == {"DE": 4, "FR": 1}
        next_day = overview(store, asked(store, "2026-02-02"))
        assert (next_day.sessions, next_day.pageviews, next_day.users) == (1, 1, 1)
    assert stored(folder, "select count(*), count(distinct id) from events") == [(8, 8)]


@pytest.mark.parametrize("crash_at", [WHOLE, HALF_WAY])
def test_of_plausible_the_days_are_as_it_says(folder: Path, tmp_path: Path, crash_at: str) -> None:
    file = plausible_zip(tmp_path / "plausible.zip", plausible_tables())
    text = import_file(folder, file, "--timezone", "Europe/Berlin", crash_at=crash_at, part=60)
    assert "Imported 141 events into example.com." in text
    with opened_store(folder) as store:
        first, second = (asked(store, day, "Europe/Berlin") for day in ("2026-01-05", "2026-01-06"))
        assert overview(store, first) == Overview(
            sessions=50,
            pageviews=120,
            users=40,
            pages_per_session=2.4,
            bounce_rate=50.0,
            session_duration=pytest.approx(120, rel=0.01),  # type: ignore[arg-type]
        )
        assert overview(store, second) == Overview(
            sessions=10,
            pageviews=12,
            users=10,
            pages_per_session=1.2,
            bounce_rate=90.0,
            session_duration=pytest.approx(10, rel=0.01),  # type: ignore[arg-type]
        )
        assert sessions_by(store, first, "entry_page") == {"/": 35, "/b": 15}
        assert sessions_by(store, second, "entry_page") == {"/": 10}
        assert sessions_by(store, first, "browser") == {"Firefox": 30, "Chrome": 20}
        visits = session_page(store, first, limit=100)
        counts = [sum(visit[name] for visit in visits) for name in ("pageviews", "events", "outbound")]
        assert (len(visits), counts) == (50, [120, 4, 5])
        # A day of Berlin begins an hour before that of the clock.
        assert overview(store, asked(store, "2026-01-04")).sessions > 0
    assert stored(folder, "select count(*), count(distinct id) from events") == [(141, 141)]
