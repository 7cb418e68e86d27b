"""Answers that are kept: the engine is asked once, and nobody ever sees an old one."""

import os
import random
import signal
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rybbit.store.base import EVERYTHING, Scope
from rybbit.store.journal_files import JournalFile, Listing
from rybbit.store.lake import LakeStore
from rybbit.store.lake_answers import KeptAnswers, name_of
from rybbit.store.visit import Visits
from tests.store.parts import NOON_MS, Parts, PartsMaker, entry, line

_COUNT = "select count(*) from events where site_id = $site"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SQL of every question that reached the engine."""
    found: list[str] = []
    real = LakeStore._run

    def spy(store: LakeStore, question: Any, *arguments: Any, **named: Any) -> Any:
        found.append(question.sql)
        return real(store, question, *arguments, **named)

    monkeypatch.setattr(LakeStore, "_run", spy)
    return found


def count(parts: Parts, site_id: int = 1, **named: Any) -> int:
    return int(parts.store.query(_COUNT, {"site": site_id}, **named)[0][0])


class TestAsking:
    """What the engine is asked, and what not."""

    def test_the_same_question_is_asked_once(self, parts: Parts, asked: list[str]) -> None:
        parts.journal.append([entry()])
        asked.clear()
        assert [count(parts) for _ in range(3)] == [1, 1, 1]
        parts.move_line(line(9))
        assert [count(parts) for _ in range(3)] == [2, 2, 2]
        assert asked == [_COUNT, _COUNT]

    def test_another_question_is_another_one(self, parts: Parts, asked: list[str]) -> None:
        parts.move_line(line(1, 1), line(2, 1, timestamp=NOON_MS + 1), line(3, 2))
        assert [count(parts, site) for site in (1, 2)] == [2, 1]
        assert parts.store.query(_COUNT.replace("count(*)", "max(id)"), {"site": 1}) == [(2,)]
        by_text = "select count(*) from events where $value::text = '1'"
        assert [parts.store.query(by_text, {"value": value}) for value in (1, "1", 1.0)] == [
            [(3,)],
            [(3,)],
            [(0,)],
        ]
        assert len(asked) == 6

    def test_the_visits_and_the_scope_of_a_question_belong_to_it(
        self, parts: Parts, asked: list[str]
    ) -> None:
        parts.move_line(line(1, browser="a"), line(2, timestamp=NOON_MS + 1))
        sql = "select count(*) from visits"
        whole, early = Scope(1), Scope(1, end_ms=NOON_MS + 1)
        visits = Visits(("session_id",)), Visits(("session_id",), condition="browser = 'a'")
        found = [
            parts.store.query(sql, scope=scope, visits=each) for scope in (whole, early) for each in visits
        ]
        assert found == [[(2,)], [(1,)], [(1,)], [(1,)]]
        assert len(asked) == 4

    def test_who_asked_may_change_the_answer(self, parts: Parts) -> None:
        parts.move_line(line(1))
        for _ in range(3):
            rows = parts.store.query("select id from events")
            assert rows == [(1,)]
            rows.clear()

    def test_nothing_is_kept_of_a_store_that_shall_not(self, new_parts: PartsMaker, asked: list[str]) -> None:
        parts = new_parts(keep_answers=0)
        assert [count(parts) for _ in range(3)] == [0, 0, 0]
        assert len(asked) == 3

    def test_a_child_begins_with_none(self, parts: Parts) -> None:
        parts.move_line(line(1))
        assert count(parts) == 1
        parts.store._answers._lock.acquire()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os._exit(0 if parts.store._answers.find(None, b"") is None and count(parts) == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestChanges:
    """Whatever happens to the events, the next answer tells it."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda parts: parts.journal.append([entry(visitor=9)]),
            lambda parts: parts.store_line(line(9)),
            lambda parts: parts.move_line(line(9)),
        ],
        ids=["open", "closed", "moved"],
    )
    def test_an_event_more(self, parts: Parts, change: Callable[[Parts], Any]) -> None:
        parts.journal.append([entry()])
        assert count(parts) == 1
        change(parts)
        assert count(parts) == 2

    def test_an_event_of_another_process(self, new_parts: PartsMaker) -> None:
        one, other = new_parts(), new_parts()
        for number in range(1, 4):
            other.journal.append([entry()])
            assert count(one) == count(other) == number

    def test_a_batch_that_becomes_whole(self, parts: Parts) -> None:
        path = parts.journal_folder.path / "1-x.open"
        half = line(1).replace(b"}\n", b',"more":1}\n')
        for text, expected in ((half, 0), (half + line(2)[:-5], 0), (half + line(2), 2)):
            path.write_bytes(text)
            assert count(parts) == expected

    def test_a_file_that_closes_under_a_look_is_not_taken_for_an_empty_one(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = JournalFile(parts.journal_folder.path)
        assert count(parts) == 0
        file.write(line(1))
        real = Listing.names_after

        def closing(listing: Listing, committed: int) -> tuple[list[str], list[str]]:
            if file.path.exists():
                file.close()
            return real(listing, committed)

        monkeypatch.setattr(Listing, "names_after", closing)
        assert count(parts) == 1

    def test_what_is_deleted_is_gone_at_once(self, parts: Parts) -> None:
        parts.move_line(line(1, 1), line(2, 1), line(3, 2))
        assert [count(parts, site, scope=Scope(site)) for site in (1, 2)] == [2, 1]
        parts.tombstones.add(1, user_hash=2, last_id=5)
        assert [count(parts, site, scope=Scope(site)) for site in (1, 2)] == [1, 1]
        parts.tombstones.add(1)
        assert [count(parts, site, scope=Scope(site)) for site in (1, 2)] == [0, 1]

    def test_a_store_that_keeps_answers_is_never_behind_one_that_keeps_none(
        self, new_parts: PartsMaker
    ) -> None:
        chance = random.Random(7)
        one, other, reader = new_parts(), new_parts(file_bytes=600), new_parts(keep_answers=0)
        changes: list[Callable[[], Any]] = [
            lambda: one.journal.append([entry(chance.choice((1, 2)), visitor=chance.randrange(4))]),
            lambda: other.journal.append([entry(1, event_id=str(chance.randrange(30)))]),
            lambda: one.journal.close_file(),
            lambda: one.mover.move_all(),
            lambda: other.store.rewrite(everything=True),
            lambda: one.tombstones.add(1, user_hash=chance.randrange(4), last_id=chance.randrange(2**62)),
            lambda: one.tombstones.keep_only({2: 1}),
            lambda: None,
        ]
        sql = "select site_id, count(*), sum(id) from events group by site_id order by site_id"
        for _ in range(120):
            chance.choice(changes)()
            expected = reader.store.query(sql, scope=EVERYTHING)
            for _ in range(2):
                assert one.store.query(sql) == other.store.query(sql) == expected

    def test_a_process_that_nobody_asks_forgets_as_well(self, new_parts: PartsMaker) -> None:
        idle, other = new_parts(), new_parts()
        other.move_line(line(1, pathname="/secret"))
        assert idle.store.query("select pathname from events") == [("/secret",)]
        idle.store.needs_rewrite()
        assert len(idle.store._answers._answers) == 1
        other.move_line(line(2))
        idle.store.needs_rewrite()
        assert not idle.store._answers._answers


class TestRoom:
    """How much is kept."""

    def test_the_oldest_give_way(self) -> None:
        answers = KeptAnswers(10_000)
        names = [name_of(number) for number in range(100)]
        assert answers.find("now", names[0]) is None
        for name in names:
            answers.keep("now", name, [("x" * 500,)])
            assert answers.find("now", names[0]) == [("x" * 500,)]
        kept = [name for name in names if answers.find("now", name)]
        assert kept == [names[0], *names[-len(kept) + 1 :]]
        assert 10 < len(kept) < 20

    @pytest.mark.parametrize("character", ["x", "é", "字", "😀"])
    def test_no_more_memory_is_taken_whatever_is_written(self, character: str) -> None:
        answers = KeptAnswers(1_000_000)
        answers.find("now", b"")
        tracemalloc.start()
        try:
            for number in range(400):
                answers.keep("now", name_of(number), [(character * 5_000, number)])
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert 500_000 < taken < 1_100_000

    def test_what_would_take_most_of_it_is_not_kept(self) -> None:
        answers = KeptAnswers(10_000)
        answers.find("now", b"a")
        answers.keep("now", b"a", [("x" * 2_000,)])
        answers.keep("now", b"b", [(1,)] * 30)
        answers.keep("now", b"c", [(1,)] * 5)
        assert [answers.find("now", name) is None for name in (b"a", b"b", b"c")] == [True, True, False]

    def test_only_the_latest_state_is_kept(self) -> None:
        answers = KeptAnswers(10_000)
        for state in ("first", "second"):
            assert answers.find(state, b"a") is None
            answers.keep(state, b"a", [(state,)])
            assert answers.find(state, b"a") == [(state,)]
        assert answers.find("first", b"a") is None
        answers.keep("second", b"a", [("late",)])
        assert answers.find("first", b"a") is None
        assert answers.find("second", b"a") is None

    def test_names_tell_types_apart(self) -> None:
        parts = (1, "1", 1.0, True, None, [1], (1,), Path("1"), {"1": 1})
        assert len({name_of("sql", part) for part in parts}) == len(parts)
