"""Counting what is not stored."""

import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import scoped_session

from rybbit.errors import Unavailable
from rybbit.ingest.drops import DropCounter, DropKey
from rybbit.models import Drop, Reason
from rybbit.services.drops import record_drops
from tests.factories import make_site
from tests.store.conftest import Clocks


class Book:
    """Where counts are written; may be told to fail."""

    def __init__(self) -> None:
        self.total: Counter[DropKey] = Counter()
        self.writes = 0
        self.fails = False

    def write(self, counts: Mapping[DropKey, int]) -> None:
        self.writes += 1
        if self.fails:
            raise Unavailable("away")
        self.total.update(counts)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def counter(book: Book) -> DropCounter:
    return DropCounter(book.write)


def test_by_site_reason_rule_and_hour(counter: DropCounter, book: Book, clocks: Clocks) -> None:
    clocks.now_ms = round(datetime(2026, 3, 1, 12, 59, 59, 999_000, tzinfo=UTC).timestamp() * 1000)
    counter.add(1, Reason.IP, "10.0.0.0/8")
    counter.add(1, Reason.IP, "10.0.0.0/8", count=4)
    counter.add(1, Reason.IP, "::1")
    counter.add(2, Reason.IP, "::1")
    clocks.move(0.001)
    counter.add(1, Reason.BOT)
    counter.add(1, Reason.IP, "::1")
    counter.flush()
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    one = datetime(2026, 3, 1, 13, tzinfo=UTC)
    assert book.total == {
        (1, "ip", "10.0.0.0/8", noon): 5,
        (1, "ip", "::1", noon): 1,
        (2, "ip", "::1", noon): 1,
        (1, "bot", "", one): 1,
        (1, "ip", "::1", one): 1,
    }


def test_each_is_written_once(counter: DropCounter, book: Book) -> None:
    counter.flush()
    assert book.writes == 0
    counter.add(1, Reason.BOT)
    counter.flush()
    counter.flush()
    assert book.writes == 1
    assert book.total.total() == 1


def test_what_cannot_be_written_stays_counted(counter: DropCounter, book: Book) -> None:
    counter.add(1, Reason.BOT, count=2)
    book.fails = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            counter.flush()
        counter.add(1, Reason.BOT)
    book.fails = False
    counter.flush()
    assert book.total.total() == 4


def test_a_child_leaves_the_counts_to_its_parent(counter: DropCounter, book: Book) -> None:
    counter.add(1, Reason.BOT)
    counter.reset_after_fork()
    counter.add(1, Reason.BOT, count=5)
    counter.flush()
    assert book.total.total() == 5


def test_many_threads_lose_none(counter: DropCounter, book: Book) -> None:
    done = threading.Event()

    def count() -> None:
        for _ in range(2_000):
            counter.add(1, Reason.ORIGIN, "mismatch")

    def flush() -> None:
        while not done.wait(0.001):
            counter.flush()

    flusher = threading.Thread(target=flush)
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in (*threads, flusher):
        thread.start()
    for thread in threads:
        thread.join(60)
    done.set()
    flusher.join(60)
    counter.flush()
    assert book.total.total() == 8_000


def test_they_reach_the_database(session: scoped_session[Any], engine: Engine) -> None:
    number = make_site().site_id
    session.commit()

    def write(counts: Mapping[DropKey, int]) -> None:
        with engine.begin() as connection:
            record_drops(connection, counts)

    counter = DropCounter(write)
    for _ in range(3):
        counter.add(number, Reason.COUNTRY, "DE", count=2)
        counter.flush()
    assert session.scalar(select(func.sum(Drop.count)).where(Drop.site_id == number)) == 6
