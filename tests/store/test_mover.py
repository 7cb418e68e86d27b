"""The mover: each event once in the store, whoever dies when, whatever lies in the journal."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rybbit.locks import FileLock
from rybbit.store.base import UnreadableBatch
from rybbit.store.journal_files import CONTINUED
from rybbit.store.lake_table import LakeTable
from tests.store.conftest import Clocks
from tests.store.parts import (
    ADOPTION_POINTS,
    INNER_POINTS,
    MOVER_POINTS,
    QUARANTINE_POINTS,
    Parts,
    PartsMaker,
    entry,
    line,
    run_child,
)

CRASH_POINTS = (*ADOPTION_POINTS, *MOVER_POINTS, *INNER_POINTS, *QUARANTINE_POINTS)
BAD = b"hello\n"


def _journal(parts: Parts) -> list[str]:
    return sorted(path.name for path in parts.journal_folder.path.iterdir() if path.is_file())


def _quarantined(parts: Parts) -> list[bytes]:
    paths = sorted(parts.journal_folder.quarantine.iterdir())
    return [text for path in paths for text in path.read_bytes().splitlines(keepends=True)]


def _leave_behind(parts: Parts, number: int) -> None:
    """An event in the open file of a dead writer, half a batch after it, and one beside a bad line."""
    half = line(number + 500)[:-2] + CONTINUED
    (parts.journal_folder.path / f"{number}-a.open").write_bytes(line(number) + half)
    parts.store_line(line(number + 1), BAD)


class TestMoving:
    """The ordinary course."""

    def test_files_go_and_events_stay(self, parts: Parts) -> None:
        names = [parts.store_line(line(number), line(number + 10)) for number in range(1, 4)]
        assert parts.mover.move_all() == 6
        assert len(set(names)) == 3
        assert _journal(parts) == []
        assert parts.ids() == [1, 2, 3, 11, 12, 13]
        assert parts.store.last_batch() == 1
        assert parts.mover.move_all() == 0
        assert parts.store.last_batch() == 1

    def test_an_open_file_of_a_living_writer_stays(self, parts: Parts) -> None:
        parts.journal.append([entry()])
        assert parts.mover.move_all() == 0
        assert parts.count() == 1

    def test_an_open_file_of_a_dead_writer_is_adopted(self, parts: Parts) -> None:
        acknowledged = run_child(parts.folder, "die", "4", code=-9).stdout.split()
        assert parts.mover.move_all() == 4
        rows = parts.store.query("select event_id from events order by id")
        assert [row[0] for row in rows] == acknowledged

    def test_the_ids_of_a_dead_writer_are_known_before_its_file_goes(self, parts: Parts) -> None:
        run_child(parts.folder, "die_in_write", "3", code=-9)
        assert parts.mover.move_all() == 3
        assert parts.journal.append([entry(event_id="d1")]) == [False]

    def test_many_files_are_cut_into_batches(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rybbit.store.mover._BATCH_BYTES", 3 * len(line(1)))
        for number in range(1, 8):
            parts.store_line(line(number), name=f"{number}-a.jsonl")
        parts.store_line(*[line(number) for number in range(8, 13)], name="8-a.jsonl")
        assert parts.mover.move_all() == 12
        assert parts.store.last_batch() == 4
        assert parts.ids() == list(range(1, 13))

    def test_an_empty_file_is_moved_too(self, parts: Parts) -> None:
        parts.store_line(name="1-a.jsonl")
        parts.store_line(line(1), name="2-a.jsonl")
        assert parts.mover.move_all() == 1
        assert _journal(parts) == []


class TestDue:
    """When it moves by itself."""

    @pytest.fixture
    def slow(self, new_parts: PartsMaker) -> Parts:
        return new_parts(move_bytes=1_000, move_seconds=30)

    def test_after_a_while(self, slow: Parts, clocks: Clocks) -> None:
        slow.journal.append([entry()])
        slow.journal.close_file()
        assert slow.mover.tick() == 0
        clocks.move(29)
        assert slow.mover.tick() == 0
        clocks.move(2)
        assert slow.mover.tick() == 1

    def test_when_there_is_much(self, slow: Parts) -> None:
        slow.journal.append([entry()])
        slow.journal.close_file()
        assert slow.mover.tick() == 0
        slow.journal.append([entry(pathname="x" * 1_000)])
        slow.journal.close_file()
        assert slow.mover.tick() == 2

    def test_when_something_was_deleted(self, slow: Parts) -> None:
        slow.journal.append([entry()])
        slow.journal.close_file()
        slow.tombstones.add(99)
        assert slow.mover.tick() == 1

    def test_when_the_clock_stepped_back(self, slow: Parts, clocks: Clocks) -> None:
        slow.journal.append([entry()])
        slow.journal.close_file()
        clocks.move(-7_200)
        assert slow.mover.tick() == 1

    def test_a_file_under_an_alien_name_at_once(self, slow: Parts) -> None:
        slow.store_line(line(1), name="restored.jsonl")
        assert slow.mover.tick() == 1

    def test_not_while_another_is_at_it(self, parts: Parts) -> None:
        parts.store_line(line(1))
        with FileLock(parts.folder / "mover.lock"):
            assert parts.mover.tick() == 0
        assert parts.mover.tick() == 1


class TestCrashes:
    """`kill -9` between each two steps."""

    @pytest.mark.parametrize("point", CRASH_POINTS)
    def test_each_event_is_in_once(self, parts: Parts, point: str) -> None:
        parts.move_line(line(1))
        for number in (2, 3):
            parts.store_line(line(number), line(number * 10))
        _leave_behind(parts, 5)
        run_child(parts.folder, "move", crash_at=point, code=-9)
        assert parts.ids() == [1, 2, 3, 5, 6, 20, 30]
        parts.store_line(line(4))
        assert parts.ids() == [1, 2, 3, 4, 5, 6, 20, 30]
        parts.mover.move_all()
        assert parts.ids() == [1, 2, 3, 4, 5, 6, 20, 30]
        assert _journal(parts) == []
        assert _quarantined(parts) == [BAD]
        assert parts.store.describe()["events"] == 8

    @pytest.mark.parametrize("point", CRASH_POINTS)
    def test_crash_upon_crash(self, parts: Parts, point: str) -> None:
        for number, other in enumerate(MOVER_POINTS):
            _leave_behind(parts, number * 2)
            run_child(parts.folder, "move", crash_at=point, code=None if number else -9)
            run_child(parts.folder, "move", crash_at=other, code=None)
        assert parts.ids() == [0, 1, 2, 3, 4, 5, 6, 7]
        parts.mover.move_all()
        assert parts.ids() == [0, 1, 2, 3, 4, 5, 6, 7]
        assert _journal(parts) == []
        assert _quarantined(parts) == [BAD] * len(MOVER_POINTS)

    def test_a_store_that_fails_is_tried_again(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        parts.store_line(line(1))

        def fail(*_arguments: Any, **_named: Any) -> None:
            raise OSError("No space left on device")

        with monkeypatch.context() as broken:
            broken.setattr(LakeTable, "commit", fail)
            with pytest.raises(OSError, match="No space"):
                parts.mover.tick()
        assert parts.ids() == [1]
        parts.store_line(line(2))
        assert parts.mover.tick() == 2
        assert parts.ids() == [1, 2]


POISON = {
    "not JSON": b"hello\n",
    "JSON that is no event": b"[1]\n",
    "nothing": b"\n",
    "invalid UTF-8": line(50, pathname="?").replace(b"?", b"\xff\xfe"),
    "a lone surrogate": line(50, pathname="\ud800"),
    "no site": line(50, None),  # type: ignore[arg-type]
    "no site at all": b'{"id":50}\n',
    "no time": line(50, timestamp=None),  # type: ignore[arg-type]
    "an integer that overflows": line(50, screen_width=2**40),
    "an id that overflows": line(2**63),
    "a time that overflows": line(50, timestamp=2**62),
    "the year 20000": line(50, timestamp=569_000_000_000_000),
    "a time before 1970": line(50, timestamp=-1),
    "text for a number": line(50, lat="north"),
    "a name twice": b'{"id":null,' + line(50)[1:],
    "two events in a line": line(50)[:-1] + line(51),
    "NUL bytes": b"\0" * 512 + b"\n",
    "a torn end": line(50)[:-1],
}


class TestPoison:
    """Lines that are no events."""

    @pytest.mark.parametrize("bad", POISON.values(), ids=POISON.keys())
    def test_it_is_put_aside_and_the_rest_goes_in(self, parts: Parts, bad: bytes) -> None:
        parts.store_line(line(1), line(2), name="1-a.jsonl")
        parts.store_line(line(3), line(4), bad, name="2-b.jsonl")
        parts.store_line(line(5), name="3-c.jsonl")
        assert parts.mover.move_all() == 5
        assert parts.ids() == [1, 2, 3, 4, 5]
        assert _quarantined(parts) == [bad]
        assert _journal(parts) == []
        parts.move_line(line(6))
        assert parts.count() == 6

    def test_a_file_of_nothing_else(self, parts: Parts) -> None:
        parts.store_line(b"hello\n", b"\xff\n")
        assert parts.mover.move_all() == 0
        assert parts.count() == 0
        assert _quarantined(parts) == [b"hello\n", b"\xff\n"]
        assert parts.store.last_batch() == 1

    def test_a_crash_after_the_quarantine(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        parts.store_line(line(1), b"hello\n")
        real = type(parts.store).commit_batch
        calls: list[int] = []

        def commit(store: Any, number: int, paths: Any) -> int:
            calls.append(number)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return real(store, number, paths)

        monkeypatch.setattr(type(parts.store), "commit_batch", commit)
        with pytest.raises(KeyboardInterrupt):
            parts.mover.move_all()
        assert parts.mover.move_all() == 1
        assert _quarantined(parts) == [b"hello\n"]
        assert _journal(parts) == []

    def test_whatever_happens_to_the_bytes(self, parts: Parts) -> None:
        """No damage of a file may stop the mover, or lose a line that was left alone."""
        chance = random.Random(7)
        expected = set()
        for number in range(0, 120, 2):
            damaged = bytearray(line(number, pathname="/ä", lat=1.5, screen_width=800, country="DE"))
            for _ in range(chance.randrange(1, 4)):
                damaged[chance.randrange(len(damaged) - 1)] = chance.randrange(256)
            parts.store_line(bytes(damaged), line(1_000 + number), name=f"{number}-a.jsonl")
            expected.add(1_000 + number)
            if number % 10 == 0:
                parts.mover.move_all()
        parts.mover.move_all()
        assert expected <= set(parts.ids())
        assert _journal(parts) == []

    def test_a_store_that_refuses_good_lines_loses_nothing(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts.store_line(line(1))

        def refuse(*_arguments: Any) -> int:
            raise UnreadableBatch("nothing is good enough")

        with monkeypatch.context() as broken:
            broken.setattr(type(parts.store), "commit_batch", refuse)
            with pytest.raises(UnreadableBatch):
                parts.mover.move_all()
        assert parts.mover.move_all() == 1
        assert _quarantined(parts) == []


def test_a_reader_never_sees_less_or_more(new_parts: PartsMaker) -> None:
    """Events come in, files are closed, moved and merged while a reader counts."""
    writer, mover, reader = (new_parts(file_bytes=2_000, compact_files=6) for _ in range(3))
    sent, acknowledged = [0], [0]
    done = threading.Event()
    errors: list[BaseException] = []

    def write() -> None:
        sent[0] += 3
        writer.journal.append([entry(1 + sent[0] % 4) for _ in range(3)])
        acknowledged[0] += 3
        if sent[0] % 7 == 0:
            writer.journal.close_file()

    def move() -> None:
        mover.mover.tick()
        if mover.store.needs_rewrite():
            mover.store.rewrite()

    def repeat(work: Callable[[], None]) -> None:
        try:
            while not done.wait(0.002):
                work()
        except BaseException as error:
            errors.append(error)
            raise

    def has_seen_all() -> bool:
        is_merged = any(path.name.startswith("merged") for path in reader.files())
        return len(counts) >= 100 and reader.store.last_batch() > 5 and is_merged

    threads = [threading.Thread(target=repeat, args=(work,)) for work in (write, move)]
    for thread in threads:
        thread.start()
    counts = [0]
    try:
        while not has_seen_all() and len(counts) < 10_000:
            least = max(acknowledged[0], counts[-1])
            counts.append(reader.count())
            assert least <= counts[-1] <= sent[0]
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    assert errors == []
    assert has_seen_all()
    assert len(set(reader.ids())) == reader.count() == acknowledged[0]
