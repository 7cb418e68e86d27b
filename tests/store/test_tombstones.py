"""Tombstones: what is deleted is hidden at once, from readers and from the mover."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rybbit.errors import Unavailable
from rybbit.store.tombstones import Tombstone, Tombstones, hidden_condition
from tests.store.conftest import Clocks
from tests.store.parts import Parts, entry, line


@pytest.fixture
def tombstones(tmp_path: Path) -> Tombstones:
    return Tombstones(tmp_path / "tombstones")


class TestFolder:
    """Tombstones as files."""

    def test_none_without_a_folder(self, tombstones: Tombstones) -> None:
        assert tombstones.all() == []
        assert tombstones.erased() == []

    def test_one_is_kept_as_it_was_set(self, tombstones: Tombstones, clocks: Clocks) -> None:
        tombstones.add(3)
        tombstones.add(4, user_hash=-(2**63), last_id=2**62)
        found = sorted(tombstones.all(), key=lambda tombstone: tombstone.site_id)
        assert [(each.site_id, each.user_hash, each.last_id) for each in found] == [
            (3, None, None),
            (4, -(2**63), 2**62),
        ]
        assert {each.created_ms for each in found} == {clocks.now_ms}

    def test_one_that_is_set_anew_is_read_anew(self, tombstones: Tombstones) -> None:
        for user in (5, 6):
            tombstones.add(3, user_hash=user, last_id=7, name="one.json")
            assert [each.user_hash for each in tombstones.all()] == [user]

    def test_one_under_way_is_none(self, tombstones: Tombstones) -> None:
        tombstones.add(3)
        (path,) = tombstones.path.iterdir()
        path.with_suffix(".new").write_text('{"site_id"')
        assert len(tombstones.all()) == 1

    def test_it_passes_from_hiding_to_erased_and_goes(self, tombstones: Tombstones, clocks: Clocks) -> None:
        tombstones.add(3, user_hash=5, last_id=6)
        (hiding,) = tombstones.all()
        clocks.move(100)
        tombstones.mark_erased(hiding)
        assert tombstones.all() == []
        (erased,) = tombstones.erased()
        assert (erased.site_id, erased.user_hash, erased.last_id) == (3, 5, 6)
        assert erased.created_ms == hiding.created_ms + 100_000
        tombstones.remove(erased)
        assert list(tombstones.path.iterdir()) == []
        tombstones.remove(erased)

    def test_it_can_be_read_at_every_moment_of_the_passage(
        self, tombstones: Tombstones, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A reader, or a crash, between any two steps finds whole tombstones."""
        tombstones.add(3)
        (hiding,) = tombstones.all()
        seen: list[int] = []
        reader = Tombstones(tombstones.path)
        real = {name: getattr(Path, name) for name in ("open", "rename", "unlink", "write_text")}

        def spy_on(name: str) -> None:
            def spy(path: Path, *arguments: object, **named: object) -> object:
                result = real[name](path, *arguments, **named)
                with monkeypatch.context() as unspied:
                    for other, function in real.items():
                        unspied.setattr(Path, other, function)
                    seen.append(len(reader.all()) + len(reader.erased()))
                return result

            monkeypatch.setattr(Path, name, spy)

        for name in real:
            spy_on(name)
        tombstones.mark_erased(hiding)
        assert len(seen) >= 3
        assert min(seen) >= 1

    def test_marking_twice_is_marking_once(self, tombstones: Tombstones) -> None:
        """A crash after the marking leaves both; the next rewriting marks again."""
        tombstones.add(3)
        (hiding,) = tombstones.all()
        content = (tombstones.path / hiding.name).read_text()
        tombstones.mark_erased(hiding)
        (tombstones.path / hiding.name).write_text(content)
        tombstones.mark_erased(tombstones.all()[0])
        assert len(tombstones.erased()) == 1
        assert tombstones.all() == []

    def test_one_that_goes_while_it_is_read_is_none(
        self, tombstones: Tombstones, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tombstones.add(3)
        real = os.scandir

        @contextmanager
        def scandir(path: Path) -> Iterator[list[os.DirEntry[str]]]:
            with real(path) as entries:
                found = list(entries)
            for each in found:
                Path(each).unlink()
            yield found

        monkeypatch.setattr(os, "scandir", scandir)
        assert tombstones.all() == []
        assert not list(tombstones.path.iterdir())


class TestCondition:
    """The SQL that hides."""

    def test_none_hide_nothing(self) -> None:
        assert hidden_condition([]) == "false"

    def test_it_holds_numbers_only(self) -> None:
        hostile = Tombstone("1 or true", None, None, 0)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="format"):
            hidden_condition([hostile])

    def test_it_hides_just_what_it_names(self, parts: Parts) -> None:
        rows = [(1, 5, 10), (1, 5, 20), (1, 6, 30), (2, 5, 40), (3, 5, 50), (3, 7, 60)]
        parts.store_line(*[line(number, site, user_hash=user) for site, user, number in rows])
        parts.tombstones.add(1, user_hash=5, last_id=10)
        assert parts.ids() == [20, 30, 40, 50, 60]
        parts.tombstones.add(3)
        assert parts.ids() == [20, 30, 40]
        parts.tombstones.add(1, user_hash=6, last_id=29)
        assert parts.ids() == [20, 30, 40]


class TestAtOnce:
    """Wherever an event is, its deletion counts from then on."""

    @pytest.mark.parametrize("place", ["open", "closed", "table"])
    def test_readers_obey(self, parts: Parts, place: str) -> None:
        parts.journal.append([entry(1), entry(2)])
        if place != "open":
            parts.journal.close_file()
        if place == "table":
            parts.mover.move_all()
        assert parts.count() == 2
        parts.deletion.delete_site(1)
        assert parts.store.query("select site_id from events") == [(2,)]

    def test_a_deletion_that_fails_leaves_the_events(self, parts: Parts) -> None:
        parts.journal.append([entry(1), entry(2)])
        with pytest.raises(RuntimeError), parts.deletion.deleting_site(1):
            assert parts.count() == 1
            raise RuntimeError
        assert parts.count() == 2
        parts.journal.close_file()
        assert parts.mover.move_all() == 2
        assert parts.count() == 2

    def test_a_full_disk_refuses_a_deletion(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> str:
            raise OSError(28, "No space left on device")

        parts.journal.append([entry(1)])
        monkeypatch.setattr(parts.tombstones, "add", fail)
        with pytest.raises(Unavailable):
            parts.deletion.delete_site(1)
        assert parts.count() == 1

    def test_the_mover_obeys(self, parts: Parts) -> None:
        parts.store_line(line(1, 1), line(2, 2))
        parts.deletion.delete_site(1)
        assert parts.mover.move_all() == 1
        assert parts.store.describe()["events"] == 1
        for path in parts.tombstones.path.iterdir():
            path.unlink()
        assert parts.ids() == [2]

    def test_another_process_obeys(self, parts: Parts) -> None:
        parts.store_line(line(1, 1), line(2, 2))
        assert parts.count() == 2
        path = parts.tombstones.path
        path.mkdir()
        fields = {"site_id": 1, "user_hash": None, "last_id": None, "created_ms": 1}
        (path / "aa.json").write_text(json.dumps(fields))
        assert parts.ids() == [2]

    def test_a_visitor_who_comes_back_is_new(self, parts: Parts) -> None:
        parts.journal.append([entry(1, visitor=5), entry(1, visitor=6)])
        parts.deletion.delete_visitor(1, 5)
        parts.journal.append([entry(1, visitor=5)])
        rows = parts.store.query("select id, session_id, user_hash from events order by id")
        assert [row[2] for row in rows] == [6, 5]
        # A session of their own, not the one that was deleted.
        assert rows[1][0] == rows[1][1]

    def test_the_known_ids_of_a_deleted_site_are_forgotten(self, parts: Parts) -> None:
        parts.journal.append([entry(1, event_id="a"), entry(2, event_id="a")])
        parts.deletion.delete_site(1)
        assert parts.journal.append([entry(2, event_id="a")]) == [False]
        assert {row[0] for row in parts.known_ids()} == {row[0] for row in parts.spans()} == {2}
