"""Raw events in pages: none skipped, none doubled, and nothing shown that is not to be seen."""

import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rybbit.stats.events import SHOWN, EventPage, event_page, shown_visitor
from rybbit.stats.period import Period, parse_period
from rybbit.stats.question import Question
from tests.store.conftest import on_both_engines
from tests.store.parts import NOON_MS, Parts, PartsMaker, line

ALL_TIME = Question(1, parse_period({}))
UTC = ZoneInfo("UTC")


def _walk(
    parts: Parts, page_size: int, *, period: Period = ALL_TIME.period, since_ms: int | None = None
) -> list[EventPage]:
    """All pages, as a client turns them."""
    question = Question(1, period)
    pages = [event_page(parts.store, question, page_size=page_size, since_ms=since_ms)]
    while pages[-1].has_more:
        assert len(pages) < 200
        before_ms = pages[-1].oldest_ms
        pages.append(
            event_page(
                parts.store, Question(1, period), page_size=page_size, before_ms=before_ms, since_ms=since_ms
            )
        )
    return pages


def _ids(pages: list[EventPage]) -> list[int]:
    return [int(event["event_id"], 16) for page in pages for event in page.events]


@on_both_engines
class TestPages:
    """Turning pages."""

    def test_no_events(self, parts: Parts) -> None:
        assert event_page(parts.store, ALL_TIME, page_size=5) == EventPage([], has_more=False, oldest_ms=None)

    def test_newest_first(self, parts: Parts) -> None:
        parts.store_line(*[line(number, timestamp=NOON_MS + number % 3) for number in range(1, 7)])
        (page,) = _walk(parts, 10)
        assert _ids([page]) == [5, 2, 4, 1, 6, 3]
        assert (page.has_more, page.oldest_ms) == (False, NOON_MS)

    def test_a_page_ends_with_a_whole_millisecond(self, parts: Parts) -> None:
        parts.store_line(*[line(number, timestamp=NOON_MS + number // 4) for number in range(1, 12)])
        pages = _walk(parts, 2)
        assert [len(page.events) for page in pages] == [4, 4, 3]
        assert [page.has_more for page in pages] == [True, True, False]

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        offsets=st.lists(st.integers(0, 6), max_size=30),
        cuts=st.tuples(st.integers(0, 30), st.integers(0, 30)),
        page_size=st.integers(1, 8),
        bounds=st.none() | st.tuples(st.integers(0, 3), st.integers(4, 8)),
        since=st.none() | st.integers(0, 6),
    )
    def test_none_is_skipped_and_none_doubled(
        self,
        new_parts: PartsMaker,
        tmp_path_factory: pytest.TempPathFactory,
        offsets: list[int],
        cuts: tuple[int, int],
        page_size: int,
        bounds: tuple[int, int] | None,
        since: int | None,
    ) -> None:
        parts = new_parts(tmp_path_factory.mktemp("pages"))
        lines = [line(number, timestamp=NOON_MS + offset) for number, offset in enumerate(offsets, start=1)]
        low, high = sorted(cuts)
        parts.move_line(*lines[:low])
        parts.store_line(*lines[low:high])
        (parts.journal_folder.path / "1-a.open").write_bytes(b"".join(lines[high:]))
        first, end = (NOON_MS + each for each in bounds) if bounds else (None, None)
        since_ms = None if since is None else NOON_MS + since
        pages = _walk(parts, page_size, period=Period(first, end, UTC), since_ms=since_ms)
        least = max(each for each in (first, since_ms, 0) if each is not None)
        expected = sorted(
            (
                (NOON_MS + offset, number)
                for number, offset in enumerate(offsets, start=1)
                if least <= NOON_MS + offset < (end or NOON_MS + 100)
            ),
            reverse=True,
        )
        assert _ids(pages) == [number for _, number in expected]
        assert all(len(page.events) >= page_size for page in pages[:-1])

    def test_other_sites_are_not_shown(self, parts: Parts) -> None:
        parts.store_line(line(1, 1), line(2, 2), line(3, 1))
        assert _ids(_walk(parts, 1)) == [3, 1]

    def test_events_that_come_in_meanwhile_double_nothing(self, new_parts: PartsMaker) -> None:
        parts = new_parts()
        parts.store_line(*[line(number, timestamp=NOON_MS + number) for number in range(1, 9)])
        found = []
        before_ms: int | None = None
        for turn in range(4):
            page = event_page(parts.store, ALL_TIME, page_size=2, before_ms=before_ms)
            found += _ids([page])
            before_ms = page.oldest_ms
            parts.move_line(line(100 + turn, timestamp=NOON_MS + 1_000 + turn))
        assert found == [8, 7, 6, 5, 4, 3, 2, 1]
        assert not page.has_more


@on_both_engines
class TestShown:
    """What an event shows."""

    @staticmethod
    def _one(parts: Parts, **named: Any) -> dict[str, Any]:
        (event,) = event_page(parts.store, ALL_TIME, page_size=5, **named).events
        return event

    def test_the_fields_and_their_order(self, parts: Parts) -> None:
        parts.store_line(line(1, timestamp=NOON_MS + 7))
        event = self._one(parts)
        assert list(event) == ["event_id", *SHOWN, "identified_user_id"]
        assert event["timestamp"] == "2026-03-01T12:00:00.007Z"
        assert (event["pathname"], event["lat"], event["screen_width"]) == ("", None, None)
        assert event["properties"] == "{}"
        assert (event["event_id"], event["session_id"]) == (f"{1:016x}", "1")

    def test_long_numbers_are_text(self, parts: Parts) -> None:
        parts.store_line(line(2**62 + 1, session_id=-(2**63), user_hash=-1))
        event = self._one(parts)
        assert event["session_id"] == str(-(2**63))
        assert event["user_id"] == "f" * 16
        assert int(event["event_id"], 16) == 2**62 + 1

    def test_names_that_the_sender_gave(self, parts: Parts) -> None:
        parts.store_line(line(1, user_id="ann", event_id="id-1", pathname="/<b>'\"", properties='{"a":1}'))
        event = self._one(parts)
        assert (event["user_id"], event["event_id"]) == ("ann", "id-1")
        assert event["identified_user_id"] == "ann"
        assert (event["pathname"], event["properties"]) == ("/<b>'\"", '{"a":1}')

    def test_an_address_only_when_it_is_asked_for(self, parts: Parts) -> None:
        parts.store_line(line(1, ip="192.0.2.1"))
        assert "ip" not in self._one(parts)
        assert self._one(parts, with_addresses=True)["ip"] == "192.0.2.1"


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_visitors_keep_apart(one: int, other: int) -> None:
    assert re.fullmatch("[0-9a-f]{16}", shown_visitor(one))
    assert (shown_visitor(one) == shown_visitor(other)) == (one == other)
