"""The files of the journal: births, deaths, adoption, torn ends, manifests, listings."""

import fcntl
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rybbit import clock
from rybbit.store import journal_files
from rybbit.store.journal_files import (
    CONTINUED,
    JournalFile,
    JournalFolder,
    Listing,
    complete_lines,
    created_ms,
    cut_torn_end,
    is_same_file,
)
from tests.store.parts import REPOSITORY, child_command, run_child

WHOLE = b'{"id":1}\n'
MORE = b'{"id":1' + CONTINUED


@pytest.fixture
def folder(tmp_path: Path) -> JournalFolder:
    folder = JournalFolder(tmp_path / "journal")
    folder.create()
    return folder


def _names(folder: JournalFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir() if path.is_file())


def _cut(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDWR)
    try:
        size = cut_torn_end(descriptor)
    finally:
        os.close(descriptor)
    assert path.stat().st_size == size
    return path.read_bytes()


@contextmanager
def _living_writer(folder: JournalFolder) -> Iterator["subprocess.Popen[str]"]:
    """A process with three events in a journal file that it holds open."""
    process = subprocess.Popen(
        child_command(folder.path.parent, "hold", "3"),
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        assert any(line == "ready\n" for line in process.stdout)
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


class TestTornEnds:
    """What a writer that died in the middle leaves behind."""

    @pytest.mark.parametrize(
        ("content", "kept"),
        [
            (b"", b""),
            (WHOLE, WHOLE),
            (WHOLE + WHOLE[:-1], WHOLE),
            (WHOLE + b"\0" * 4096, WHOLE),
            (WHOLE[:5], b""),
            (MORE, b""),
            (MORE + MORE + WHOLE, MORE + MORE + WHOLE),
            (WHOLE + MORE + MORE, WHOLE),
            (WHOLE + MORE + WHOLE[:3], WHOLE),
            (MORE + WHOLE + MORE + WHOLE[:-1], MORE + WHOLE),
        ],
    )
    def test_a_batch_stays_whole_or_goes_whole(self, tmp_path: Path, content: bytes, kept: bytes) -> None:
        path = tmp_path / "1-a.open"
        path.write_bytes(content)
        assert _cut(path) == kept

    @given(sizes=st.lists(st.integers(1, 4), max_size=6), cut=st.integers(0, 400))
    def test_wherever_it_tears(
        self, tmp_path_factory: pytest.TempPathFactory, sizes: list[int], cut: int
    ) -> None:
        batches = [
            b"".join(b'{"id":%d,"n":%d%b' % (batch, size, CONTINUED) for _ in range(size - 1))
            + b'{"id":%d,"n":%d}\n' % (batch, size)
            for batch, size in enumerate(sizes)
        ]
        content = b"".join(batches)[:cut]
        path = tmp_path_factory.mktemp("torn") / "1-a.open"
        path.write_bytes(content)
        expected = b""
        for batch in batches:
            if not content.startswith(expected + batch):
                break
            expected += batch
        assert complete_lines(path, 0) == expected.splitlines()
        assert _cut(path) == expected

    def test_a_text_that_ends_like_the_marker_is_no_marker(self, tmp_path: Path) -> None:
        path = tmp_path / "1-a.open"
        hostile = json.dumps({"id": 1, "properties": ',"more":1}'}).encode() + b"\n"
        path.write_bytes(WHOLE + hostile)
        assert _cut(path) == WHOLE + hostile


class TestCompleteLines:
    """Reading on from a place, for a writer that is gone."""

    def test_from_the_offset_to_the_last_whole_batch(self, tmp_path: Path) -> None:
        path = tmp_path / "1-a.open"
        path.write_bytes(WHOLE + MORE + WHOLE + MORE)
        assert complete_lines(path, len(WHOLE)) == [MORE[:-1], WHOLE[:-1]]
        assert complete_lines(path, len(WHOLE + MORE + WHOLE)) == []
        assert complete_lines(path, 10_000) == []

    def test_under_the_closed_name_too(self, tmp_path: Path) -> None:
        (tmp_path / "1-a.jsonl").write_bytes(WHOLE)
        assert complete_lines(tmp_path / "1-a.open", 0) == [WHOLE[:-1]]
        assert complete_lines(tmp_path / "2-b.open", 0) == []


class TestBirth:
    """How a file comes into being."""

    def test_it_is_locked_before_it_can_be_adopted(self, folder: JournalFolder) -> None:
        file = JournalFile(folder.path)
        assert _names(folder) == [file.path.name]
        assert file.path.suffix == ".open"
        assert folder.adopt_orphans(lambda _: None) == 0
        file.write(WHOLE)
        assert folder.adopt_orphans(lambda _: None) == 0
        file.close()
        assert _names(folder) == [file.path.with_suffix(".jsonl").name]

    def test_its_name_tells_when(self, folder: JournalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock, "now_ms", lambda: 1_234_567)
        file = JournalFile(folder.path)
        assert created_ms(file.path.name) == 1_234_567
        file.close()
        assert created_ms("alien.jsonl") == created_ms("-1-a.jsonl") == created_ms("١-a.jsonl") == 0

    def test_no_adopter_gets_between(self, folder: JournalFolder) -> None:
        done = threading.Event()
        adopted: list[int] = []

        def adopt() -> None:
            while not done.is_set():
                adopted.append(folder.adopt_orphans(lambda _: None))

        thread = threading.Thread(target=adopt)
        thread.start()
        for _ in range(150):
            file = JournalFile(folder.path)
            file.write(WHOLE)
            assert file.path.read_bytes() == WHOLE
            file.close()
        done.set()
        thread.join(60)
        assert adopted
        assert sum(adopted) == 0
        assert len(_names(folder)) == 150

    def test_what_died_while_it_was_made_is_removed_later(self, folder: JournalFolder) -> None:
        young, old = folder.path / "1-a.new", folder.path / "2-b.new"
        young.touch()
        old.touch()
        os.utime(old, (time.time() - 61, time.time() - 61))
        assert folder.adopt_orphans(lambda _: None) == 0
        assert _names(folder) == ["1-a.new"]


class TestAdoption:
    """Files whose writer is dead."""

    def test_only_those_of_the_dead(self, folder: JournalFolder) -> None:
        with _living_writer(folder) as process:
            assert folder.adopt_orphans(lambda _: None) == 0
            assert [Path(name).suffix for name in _names(folder)] == [".open"]
            process.kill()
            process.wait()
            assert folder.adopt_orphans(lambda _: None) == 1
        (name,) = _names(folder)
        assert name.endswith(".jsonl")
        assert len((folder.path / name).read_bytes().splitlines()) == 3

    def test_a_torn_end_is_cut_before_anybody_is_told(self, folder: JournalFolder) -> None:
        run_child(folder.path.parent, "die", "2", code=-9)
        (name,) = _names(folder)
        path = folder.path / name
        whole = path.read_bytes()
        path.write_bytes(whole + MORE + WHOLE[:4])
        told: list[tuple[Path, bytes]] = []
        assert folder.adopt_orphans(lambda path: told.append((path, path.read_bytes()))) == 1
        assert told == [(path, whole)]
        assert path.with_suffix(".jsonl").read_bytes() == whole

    def test_an_empty_one_is_removed(self, folder: JournalFolder) -> None:
        (folder.path / "1-a.open").touch()
        (folder.path / "2-b.open").write_bytes(MORE)
        assert folder.adopt_orphans(lambda _: None) == 2
        assert _names(folder) == []

    def test_if_what_must_come_first_fails_it_stays(self, folder: JournalFolder) -> None:
        (folder.path / "1-a.open").write_bytes(WHOLE)

        def fail(path: Path) -> None:
            raise TimeoutError(path)

        with pytest.raises(TimeoutError):
            folder.adopt_orphans(fail)
        assert _names(folder) == ["1-a.open"]
        assert folder.adopt_orphans(lambda _: None) == 1

    def test_one_adopter_of_two_gets_it(self, folder: JournalFolder) -> None:
        (folder.path / "1-a.open").write_bytes(WHOLE)
        counts: list[int] = []

        def adopt_too(path: Path) -> None:
            counts.append(JournalFolder(folder.path).adopt_orphans(adopt_too))

        assert folder.adopt_orphans(adopt_too) == 1
        assert counts == [0]

    def test_a_name_that_means_another_file_by_now_is_left(self, tmp_path: Path) -> None:
        path = tmp_path / "1-a.open"
        path.write_bytes(WHOLE)
        with path.open("rb") as file:
            assert is_same_file(file.fileno(), path)
            path.rename(tmp_path / "1-a.jsonl")
            assert not is_same_file(file.fileno(), path)
            path.write_bytes(WHOLE)
            assert not is_same_file(file.fileno(), path)

    def test_a_file_that_was_adopted_meanwhile_is_left(
        self, folder: JournalFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = folder.path / "1-a.open"
        path.write_bytes(WHOLE)
        real = fcntl.flock

        def flock(descriptor: int, operation: int) -> None:
            # Another adopter was faster, between the opening and the lock.
            monkeypatch.setattr(fcntl, "flock", real)
            assert JournalFolder(folder.path).adopt_orphans(lambda _: None) == 1
            real(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", flock)
        assert folder.adopt_orphans(lambda _: None) == 0
        assert _names(folder) == ["1-a.jsonl"]


class TestListing:
    """One look at the folder."""

    def test_everything_of_ours_and_nothing_else(self, folder: JournalFolder) -> None:
        for name in ("1-a.open", "2-b.jsonl", "3-c.jsonl", "4-d.new", "2-b.clean", "x.probe", "notes.txt"):
            (folder.path / name).write_bytes(WHOLE)
        folder.write_manifest(7, ["2-b.jsonl"])
        folder.write_manifest(12, ["0-z.jsonl"])
        listing = folder.listing()
        assert listing == Listing(
            frozenset({"1-a.open"}),
            frozenset({"2-b.jsonl", "3-c.jsonl"}),
            ((7, ("2-b.jsonl",)), (12, ("0-z.jsonl",))),
        )
        assert listing.names_after(6) == (["1-a.open"], ["2-b.jsonl", "3-c.jsonl"])
        assert listing.names_after(7) == (["1-a.open"], ["3-c.jsonl"])

    def test_a_manifest_appears_whole(self, folder: JournalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[Listing] = []
        real = Path.rename

        def rename(path: Path, target: Path) -> Path:
            seen.append(folder.listing())
            return real(path, target)

        monkeypatch.setattr(Path, "rename", rename)
        folder.write_manifest(1, ["1-a.jsonl"] * 100)
        assert seen[0].manifests == ()
        assert folder.listing().manifests[0][1] == ("1-a.jsonl",) * 100

    def test_a_batch_is_forgotten_in_two_steps(self, folder: JournalFolder) -> None:
        (folder.path / "1-a.jsonl").write_bytes(WHOLE)
        folder.write_manifest(1, ["1-a.jsonl", "gone.jsonl"])
        folder.remove_batch_files(("1-a.jsonl", "gone.jsonl"))
        assert _names(folder) == ["1.batch"]
        folder.remove_manifest(1)
        folder.remove_manifest(1)
        assert _names(folder) == []


class TestWritable:
    """The question that the health check asks."""

    def test_it_is_tried_out(self, folder: JournalFolder) -> None:
        assert folder.is_writable()
        assert _names(folder) == []

    def test_a_folder_that_is_away(self, folder: JournalFolder, tmp_path: Path) -> None:
        folder.path.rename(tmp_path / "elsewhere")
        assert not folder.is_writable()

    def test_a_disk_that_takes_nothing(self, folder: JournalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(path: Path) -> None:
            raise OSError(path)

        monkeypatch.setattr(journal_files, "sync_file", fail)
        assert not folder.is_writable()
        assert _names(folder) == []
