"""The losses of one process before they are written: few, fair, and no trouble to anybody."""

import logging
from collections import Counter
from pathlib import Path

import pytest

from rybbit.errors import Unavailable
from rybbit.ingest.directory import TrackedSite
from rybbit.ingest.exclusions import compile_exclusions
from rybbit.ingest.inspector import Inspector
from rybbit.ingest.losses import Loss, Source
from rybbit.models import Reason
from rybbit.store.unkept import Unkept, UnkeptFile
from tests.store.conftest import Clocks


class Describer:
    """Tells the number of a loss; some cannot be told."""

    def describe(self, loss: Loss) -> Unkept:
        if loss.rule == "odd":
            raise ValueError(loss.rule)
        if loss.rule == "away":
            raise Unavailable("away")
        return Unkept(loss.site.site_id, loss.source.received_ms, loss.reason, None, None, loss.rule)


class Book:
    """Where entries are written; may be told to fail."""

    def __init__(self) -> None:
        self.entries: list[Unkept] = []
        self.fails = False

    def write(self, entries: list[Unkept]) -> None:
        if self.fails:
            raise Unavailable("full")
        self.entries += entries


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def inspector(book: Book, clocks: Clocks) -> Inspector:
    """One whose time stands still, so that a busy machine uses up nothing of its share."""
    return Inspector(book, Describer())  # type: ignore[arg-type]


def loss(rule: str = "", *, site: int = 1, reason: Reason = Reason.BOT, at: int = 0) -> Loss:
    tracked = TrackedSite(
        *(site, "a" * 12, "org", False, "example.com"),
        *(True, False, False, b"", compile_exclusions([], [])),
    )
    return Loss(tracked, Source(at, None), reason, rule, 200, "")


def test_in_the_order_of_receipt(inspector: Inspector, book: Book) -> None:
    for at in (3, 1, 2):
        inspector.add(loss(str(at), reason=list(Reason)[at], at=at))
    inspector.flush()
    inspector.flush()
    assert [entry.data for entry in book.entries] == ["1", "2", "3"]


def test_a_flood_keeps_the_newest(inspector: Inspector, book: Book) -> None:
    inspector.add(loss("mine", reason=Reason.ORIGIN))
    for number in range(50_000):
        inspector.add(loss(str(number), at=number))
    inspector.flush()
    assert [entry.data for entry in book.entries] == ["mine", *map(str, range(49_900, 50_000))]


def test_many_sites_share(inspector: Inspector, book: Book) -> None:
    for site in range(1, 31):
        for number in range(100):
            inspector.add(loss(str(number), site=site, at=number))
    for site in range(31, 61):
        inspector.add(loss("99", site=site))
    inspector.flush()
    counts = Counter(entry.site_id for entry in book.entries)
    assert len(book.entries) == 1_000
    assert set(counts) == set(range(1, 61))
    assert {entry.site_id for entry in book.entries if entry.data == "99"} == set(counts)


def test_no_more_time_than_its_share(
    inspector: Inspector, book: Book, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = Describer.describe

    def slowly(self: Describer, loss: Loss) -> Unkept:
        clocks.move(0.004)
        return describe(self, loss)

    monkeypatch.setattr(Describer, "describe", slowly)
    inspector.add(loss("mine", reason=Reason.ORIGIN))
    for number in range(100):
        inspector.add(loss(str(number), at=number))
    inspector.flush()
    told = [entry.data for entry in book.entries]
    assert told == ["mine", *map(str, range(51, 100))]


def test_more_sites_than_room(inspector: Inspector, book: Book) -> None:
    for site in range(1, 1_501):
        inspector.add(loss(site=site))
    inspector.flush()
    assert len(book.entries) == 1_000
    assert 1_500 in {entry.site_id for entry in book.entries}


def test_what_cannot_be_told_costs_the_others_nothing(
    inspector: Inspector, book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    for rule in ("a", "odd", "away", "b"):
        inspector.add(loss(rule))
    inspector.flush()
    assert [entry.data for entry in book.entries] == ["a", "b"]
    assert {record.levelno for record in caplog.records} == {logging.ERROR, logging.WARNING}


def test_a_full_disk_is_logged_once_and_forgotten(
    inspector: Inspector, book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    book.fails = True
    for _ in range(5):
        inspector.add(loss("lost"))
        inspector.flush()
    book.fails = False
    inspector.add(loss("kept"))
    inspector.flush()
    assert [entry.data for entry in book.entries] == ["kept"]
    assert len(caplog.records) == 1


def test_a_child_leaves_them_to_its_parent(inspector: Inspector, book: Book) -> None:
    inspector.add(loss("parent"))
    inspector.reset_after_fork()
    inspector.flush()
    assert book.entries == []


def test_a_real_file(tmp_path: Path) -> None:
    file = UnkeptFile(tmp_path / "unkept.db")
    inspector = Inspector(file, Describer())  # type: ignore[arg-type]
    inspector.add(loss("x"))
    inspector.flush()
    assert file.read(1) == []  # received in 1970
