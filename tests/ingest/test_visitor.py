"""Visitors: numbers that cannot be traced back, and salts that are gone in time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, create_engine, delete, select
from sqlalchemy.orm import Session

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.ingest.directory import TrackedSite
from rybbit.ingest.exclusions import compile_exclusions
from rybbit.ingest.visitor import DaySalts, Visitors, hash_named, hash_visitor
from rybbit.models import DaySalt
from rybbit.store.journal import Entry
from tests.store.conftest import Clocks
from tests.store.parts import Parts, entry

DAY = date(2026, 3, 1)
PLAIN = TrackedSite(
    site_id=1,
    id="abcdefabcdef",
    organization_id="org_1",
    restricted=False,
    domain="example.com",
    block_bots=True,
    track_ip=False,
    salt_user_ids=False,
    secret=b"s" * 32,
    exclusions=compile_exclusions([], []),
)
SALTED = replace(PLAIN, salt_user_ids=True)


def _at(clocks: Clocks, day: date, hour: int, minute: int = 0, second: float = 0) -> None:
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)
    clocks.now_ms = round(moment.timestamp() * 1000)


def _identify(
    visitors: Visitors,
    site: TrackedSite = SALTED,
    *,
    user_id: str | None = None,
    address: str = "192.0.2.1",
    user_agent: str = "Firefox",
) -> tuple[int, int | None]:
    return visitors.identify(
        site, user_id=user_id, address=address, user_agent=user_agent, now_ms=clock.now_ms()
    )


def _salts(engine: Engine) -> dict[date, bytes]:
    with Session(engine) as session:
        return {row.day: row.salt for row in session.scalars(select(DaySalt))}


@contextmanager
def _away(salts: DaySalts) -> Iterator[None]:
    engine, salts._engine = salts._engine, create_engine("sqlite:////nowhere/at/all.db")
    yield
    salts._engine = engine


class TestNumbers:
    """What a visitor's number depends on."""

    def test_address_user_agent_and_site(self, control: Engine) -> None:
        visitors = Visitors(DaySalts(control))
        number, earlier = _identify(visitors, PLAIN)
        assert earlier is None
        assert -(2**63) <= number < 2**63
        assert _identify(visitors, PLAIN)[0] == number
        others = [
            _identify(visitors, PLAIN, address="192.0.2.2")[0],
            _identify(visitors, PLAIN, user_agent="Chrome")[0],
            _identify(visitors, PLAIN, user_id="192.0.2.1")[0],
            _identify(visitors, replace(PLAIN, secret=b"t" * 32))[0],
        ]
        assert len({number, *others}) == 5
        assert _salts(control) == {}

    def test_parts_do_not_run_together(self) -> None:
        assert hash_visitor(b"k", "a", "bc") != hash_visitor(b"k", "ab", "c")
        assert hash_visitor(b"k", "a", "\ud800") != hash_visitor(b"k", "a", "\ud801")

    def test_a_named_visitor_is_the_same_on_every_device_and_day(
        self, control: Engine, clocks: Clocks
    ) -> None:
        visitors = Visitors(DaySalts(control))
        _at(clocks, DAY, 12)
        named = _identify(visitors, user_id="ann")
        assert named == (hash_named(SALTED, "ann"), None)
        clocks.move(24 * 3600)
        assert _identify(visitors, user_id="ann", address="::1", user_agent="") == named
        assert _identify(visitors, user_id="Ann")[0] != named[0]


class TestSalts:
    """Salts of days."""

    def test_every_process_has_the_same(self, control: Engine) -> None:
        one, two = DaySalts(control), DaySalts(control)
        assert one.of(DAY) == two.of(DAY) == one.of(DAY)
        assert len(one.of(DAY)) == 32
        assert one.of(DAY) != one.of(DAY + timedelta(days=1))
        assert _salts(control) == {DAY: one.of(DAY), DAY + timedelta(days=1): one.of(DAY + timedelta(days=1))}

    def test_made_at_once_in_many_threads(self, control: Engine) -> None:
        salts = [DaySalts(control) for _ in range(6)]
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda each=each: found.append(each.of(DAY))) for each in salts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(found) == 6
        assert len(set(found)) == 1

    def test_the_number_changes_at_midnight(self, control: Engine, clocks: Clocks) -> None:
        visitors = Visitors(DaySalts(control))
        _at(clocks, DAY, 23, 59, 59.999)
        before = _identify(visitors)
        assert before[1] is None
        clocks.move(0.001)
        after = _identify(visitors)
        assert after[0] != before[0]
        assert after[1] == before[0]
        # A process that was not there yesterday knows it, too.
        assert _identify(Visitors(DaySalts(control))) == after

    def test_at_four_yesterday_is_over(self, control: Engine, clocks: Clocks) -> None:
        salts = DaySalts(control)
        visitors = Visitors(salts)
        _at(clocks, DAY, 12)
        before = _identify(visitors)
        _at(clocks, DAY + timedelta(days=1), 3, 59, 59.999)
        salts.forget_old()
        assert _identify(visitors)[1] == before[0]
        clocks.move(0.001)
        assert _identify(visitors)[1] is None
        salts.forget_old()
        assert set(_salts(control)) == {DAY + timedelta(days=1)}
        assert set(salts._salts) == {DAY + timedelta(days=1)}
        assert _identify(visitors)[1] is None

    def test_old_ones_go_whoever_made_them(self, control: Engine, clocks: Clocks) -> None:
        for days in range(5):
            DaySalts(control).of(DAY - timedelta(days=days))
        _at(clocks, DAY, 2)
        DaySalts(control).forget_old()
        assert set(_salts(control)) == {DAY, DAY - timedelta(days=1)}
        _at(clocks, DAY, 4)
        DaySalts(control).forget_old()
        assert set(_salts(control)) == {DAY}

    def test_one_that_is_made_is_found_while_others_write(self, control: Engine) -> None:
        made = DaySalts(control).of(DAY)
        with control.connect() as writer:
            writer.execute(delete(DaySalt).where(DaySalt.day < DAY))
            assert DaySalts(control).of(DAY) == made

    def test_the_database_away(self, control: Engine, clocks: Clocks) -> None:
        salts = DaySalts(control)
        visitors = Visitors(salts)
        _at(clocks, DAY, 12)
        known = _identify(visitors)
        with _away(salts):
            assert _identify(visitors) == known
            clocks.move(12 * 3600)
            with pytest.raises(Unavailable):
                _identify(visitors)
            with pytest.raises(Unavailable):
                salts.forget_old()
            # Sites without salts go on.
            assert _identify(visitors, PLAIN)[1] is None
        assert _identify(visitors)[1] == known[0]


class TestAcrossMidnight:
    """A session that began yesterday stays one session of one visitor."""

    @pytest.fixture
    def visitors(self, control: Engine) -> Visitors:
        return Visitors(DaySalts(control))

    @staticmethod
    def _event(visitors: Visitors, minutes_ago: int = 0) -> Entry:
        number, earlier = _identify(visitors)
        return entry(visitor=number, earlier=earlier, timestamp=clock.now_ms() - minutes_ago * 60_000)

    @staticmethod
    def _rows(parts: Parts) -> list[tuple[int, int]]:
        return [
            (row[0], row[1])
            for row in parts.store.query("select session_id, user_hash from events order by id")
        ]

    def test_as_long_as_it_lasts(self, parts: Parts, visitors: Visitors, clocks: Clocks) -> None:
        _at(clocks, DAY, 23, 50)
        for _ in range(9):
            # The last one at 03:50.
            parts.journal.append([self._event(visitors)])
            clocks.move(30 * 60)
        rows = self._rows(parts)
        assert len(rows) == 9
        assert len(set(rows)) == 1

    def test_a_later_one_is_a_new_visitors(self, parts: Parts, visitors: Visitors, clocks: Clocks) -> None:
        _at(clocks, DAY, 23, 50)
        parts.journal.append([self._event(visitors)])
        clocks.move(30 * 60 + 0.001)
        parts.journal.append([self._event(visitors)])
        clocks.move(60)
        parts.journal.append([self._event(visitors)])
        yesterday, *today = self._rows(parts)
        assert today[0] == today[1]
        assert {yesterday[0], yesterday[1]}.isdisjoint(today[0])

    def test_at_four_it_ends_for_everybody(self, parts: Parts, visitors: Visitors, clocks: Clocks) -> None:
        _at(clocks, DAY, 23, 50)
        while clock.from_ms(clocks.now_ms).hour != 4:
            parts.journal.append([self._event(visitors)])
            clocks.move(10 * 60)
        parts.journal.append([self._event(visitors)])
        *before, after = self._rows(parts)
        assert len(set(before)) == 1
        assert set(before[0]).isdisjoint(after)

    def test_two_at_once_take_the_same(self, parts: Parts, visitors: Visitors, clocks: Clocks) -> None:
        _at(clocks, DAY, 23, 59)
        parts.journal.append([self._event(visitors)])
        clocks.move(120)
        parts.journal.append([self._event(visitors), self._event(visitors, minutes_ago=2)])
        assert len(set(self._rows(parts))) == 1
