"""Sessions: the rule, against a second telling of it in plain Python."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rybbit import clock
from rybbit.ingest import span_table
from rybbit.ingest.receipts import Receipts
from rybbit.store.journal import Entry, Position
from tests.store.conftest import Clocks
from tests.store.parts import NOON_MS, Parts, entry

MINUTE = 60_000
HOUR = 60 * MINUTE
GAP = 30 * MINUTE


class NoHistory:
    """The history of an instance on which nothing has happened yet."""

    def last_id(self) -> int:
        return 0

    def spans_since(self, milliseconds: int, *, block_ms: int) -> list[tuple[int, int, int, int, int, int]]:
        return []

    def event_ids_of(self, site_id: int, user_hash: int, first_id: int) -> list[tuple[int, str, int]]:
        return []

    def event_ids_since(self, first_id: int) -> list[tuple[int, str, int]]:
        return []


@dataclass
class Visit:
    """A session as the reference sees it."""

    name: object
    moments: list[int]


@dataclass
class Reference:
    """The rule told once more: as lists that are searched from end to end."""

    visits: dict[tuple[int, int], list[Visit]] = field(default_factory=dict)

    def _near(self, visitor: tuple[int, int], moment: int) -> list[tuple[int, int, Visit]]:
        found = []
        for order, visit in enumerate(self.visits.get(visitor, [])):
            first, last = min(visit.moments), max(visit.moments)
            if first - GAP <= moment <= last + GAP:
                away = first - moment if moment < first else moment - last if moment > last else 0
                found.append((away, order, visit))
        return sorted(found, key=lambda each: each[:2])

    def session_of(self, event: Entry, name: object) -> tuple[int, object]:
        """The visitor that an event counts for, and the name of its session."""
        visitor, moment = (event.site_id, event.user_hash), event.timestamp
        earlier = (event.site_id, event.earlier_hash or 0)
        if event.earlier_hash is not None and self._near(earlier, moment):
            visitor = earlier
        near = self._near(visitor, moment)
        visit = near[0][2] if near else Visit(name, [])
        if not near:
            self.visits.setdefault(visitor, []).append(visit)
        visit.moments.append(moment)
        return visitor[1], visit.name


def _receive(receipts: Receipts, events: Sequence[Entry]) -> list[dict[str, int]]:
    with receipts.receive(events, Position("none.open", 0)) as openings:
        assert all(opening is not None for opening in openings)
        return [json.loads((opening or b"")[:-1] + b"}") for opening in openings]


@contextmanager
def _workers(folder: Path, count: int) -> Iterator[list[Receipts]]:
    """The receipts of several processes on the same files."""
    workers = [Receipts(folder / "receipts.db", folder, NoHistory()) for _ in range(count)]
    yield workers
    for worker in workers:
        worker.close()


# Times around which the rule changes its mind: multiples of five minutes, and a millisecond beside them.
_offsets = st.builds(
    lambda five_minutes, beside: five_minutes * 5 * MINUTE + beside,
    st.integers(-60, 12) | st.integers(-(49 * 12), -(47 * 12)),
    st.sampled_from([-1, 0, 0, 0, 1]),
)
_visitors = st.sampled_from([-(2**63), -1, 5, 2**63 - 1])
_events = st.builds(
    lambda site, visitor, earlier, offset: (site, visitor, earlier if earlier != visitor else None, offset),
    st.integers(1, 2),
    _visitors,
    st.none() | st.none() | _visitors,
    _offsets,
)
_batches = st.tuples(st.integers(0, 1), st.integers(-10, 90), st.lists(_events, min_size=1, max_size=6))


class TestAgainstTheReference:
    """Any events, in any order, cut into any batches, taken by any worker."""

    @settings(max_examples=120, deadline=None)
    @given(batches=st.lists(_batches, max_size=12))
    def test_equal_answers(
        self, batches: list[tuple[int, int, list[tuple[int, int, int | None, int]]]]
    ) -> None:
        reference = Reference()
        clocks = Clocks()
        clocks.now_ms = NOON_MS
        named: dict[object, int] = {}
        last_id = 0
        with (
            tempfile.TemporaryDirectory() as folder,
            _workers(Path(folder), 2) as workers,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(span_table, "_LEAST_SLOTS", 64)
            patch.setattr(clock, "now_ms", lambda: clocks.now_ms)
            for index, (worker, minutes, drawn) in enumerate(batches):
                clocks.move(minutes * 60)
                events = [
                    entry(site, visitor=visitor, earlier=earlier, timestamp=clocks.now_ms + offset)
                    for site, visitor, earlier, offset in drawn
                ]
                for event, row in zip(events, _receive(workers[worker], events), strict=True):
                    assert row["id"] > last_id
                    last_id = row["id"]
                    visitor, name = reference.session_of(event, ("began with", last_id))
                    assert row["user_hash"] == visitor
                    assert named.setdefault(name, row["session_id"]) == row["session_id"]
                    if name == ("began with", last_id):
                        assert row["session_id"] == last_id
                if all(later >= 0 for _, later, _ in batches[index + 1 :]):
                    # What is forgotten by a clock that steps back afterwards is rightly lost.
                    workers[1 - worker].forget_old()
        assert len(set(named.values())) == len(named)

    @settings(max_examples=40, deadline=None)
    @given(drawn=st.lists(_events, max_size=20), cuts=st.sets(st.integers(1, 19)))
    def test_the_cuts_between_batches_change_nothing(
        self, drawn: list[tuple[int, int, int | None, int]], cuts: set[int]
    ) -> None:
        events = [
            entry(site, visitor=visitor, earlier=earlier, timestamp=NOON_MS + offset)
            for site, visitor, earlier, offset in drawn
        ]
        bounds = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(span_table, "_LEAST_SLOTS", 64)
            patch.setattr(clock, "now_ms", lambda: NOON_MS)
            with tempfile.TemporaryDirectory() as folder, _workers(Path(folder), 1) as (whole,):
                at_once = _receive(whole, events) if events else []
            with tempfile.TemporaryDirectory() as folder, _workers(Path(folder), 3) as workers:
                in_parts = [
                    row
                    for index, (start, end) in enumerate(pairwise(bounds))
                    for row in _receive(workers[index % 3], events[start:end])
                ]
        assert in_parts == at_once


class TestRule:
    """The rule by example, in minutes."""

    @staticmethod
    def _sessions(parts: Parts, *minutes: float, visitor: int = 7, site: int = 1) -> list[int]:
        """The sessions of events at these minutes, as small numbers in the order of their first event."""
        now = clock.now_ms()
        events = [
            entry(site, visitor=visitor, timestamp=now - 10 * HOUR + round(minute * MINUTE))
            for minute in minutes
        ]
        ids = [row["session_id"] for row in _receive(parts.receipts, events)]
        order = list(dict.fromkeys(ids))
        return [order.index(each) for each in ids]

    def test_thirty_minutes_are_still_the_same(self, parts: Parts) -> None:
        assert self._sessions(parts, 0, 30, 60, 0) == [0, 0, 0, 0]

    def test_a_millisecond_more_is_not(self, parts: Parts) -> None:
        assert self._sessions(parts, 0, 30 + 1 / MINUTE) == [0, 1]

    def test_it_works_backwards(self, parts: Parts) -> None:
        assert self._sessions(parts, 60, 30, 0, -30, -61) == [0, 0, 0, 0, 1]

    def test_the_nearest_wins(self, parts: Parts) -> None:
        assert self._sessions(parts, 0, 50, 30, 24) == [0, 1, 1, 1]
        assert self._sessions(parts, 0, 50, 24, 30, visitor=8) == [0, 1, 0, 0]

    def test_of_two_as_near_the_one_that_began_first(self, parts: Parts) -> None:
        assert self._sessions(parts, 0, 50, 25) == [0, 1, 0]
        assert self._sessions(parts, 50, 0, 25, visitor=8) == [0, 1, 0]

    def test_sessions_never_merge(self, parts: Parts) -> None:
        assert self._sessions(parts, 0, 50, 25, 24, 26, 49) == [0, 1, 0, 0, 0, 1]

    def test_visitors_and_sites_are_apart(self, parts: Parts) -> None:
        events = [entry(1, visitor=7), entry(1, visitor=8), entry(2, visitor=7), entry(1, visitor=7)]
        ids = [row["session_id"] for row in _receive(parts.receipts, events)]
        assert ids[0] == ids[3]
        assert len(set(ids)) == 3


class TestKeeping:
    """How long a session can be joined: for 48 hours after it last was, whatever time its events name."""

    def test_a_history_that_is_sent_in_later(self, parts: Parts, clocks: Clocks) -> None:
        long_ago = clocks.now_ms - 1000 * 24 * HOUR
        moments = [long_ago + round(minutes * MINUTE) for minutes in (0, 29, 58, 89, 60)]
        ids = [row["session_id"] for row in _receive(parts.receipts, [entry(timestamp=at) for at in moments])]
        assert ids[0] == ids[1] == ids[2] == ids[4] != ids[3]
        clocks.move(47 * 3600)
        parts.receipts.forget_old()
        (later,) = _receive(parts.receipts, [entry(timestamp=long_ago + 5 * MINUTE)])
        assert later["session_id"] == ids[0]

    def test_it_is_kept_anew_with_each_event(self, parts: Parts, clocks: Clocks) -> None:
        began = clocks.now_ms
        (first,) = _receive(parts.receipts, [entry(timestamp=began)])
        for _ in range(3):
            clocks.move(48 * 3600)
            parts.receipts.forget_old()
            (joined,) = _receive(parts.receipts, [entry(timestamp=began + 29 * MINUTE)])
            assert joined["session_id"] == first["session_id"]
        clocks.move(48 * 3600 + 1)
        parts.receipts.forget_old()
        (apart,) = _receive(parts.receipts, [entry(timestamp=began + 29 * MINUTE)])
        assert apart["session_id"] == apart["id"]
