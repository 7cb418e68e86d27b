"""The file of what was not kept: bounded, fair, gone after an hour, shared, and never in the way."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.store import unkept
from rybbit.store.unkept import MOST, SHOWN_MS, Unkept, UnkeptFile
from tests.store.conftest import Clocks
from tests.store.parts import REPOSITORY


@pytest.fixture
def file(tmp_path: Path) -> UnkeptFile:
    return UnkeptFile(tmp_path / "unkept.db")


def made(data: str = "{}", *, site: int = 1, reason: str = "bot", visitor: int | None = 7) -> Unkept:
    return Unkept(site, clock.now_ms(), reason, visitor, None, data)


def texts(file: UnkeptFile, site: int = 1) -> list[str]:
    return [data for _, data in file.read(site)]


class TestReading:
    """What was written is there, for every worker."""

    def test_the_newest_first_by_site(self, file: UnkeptFile) -> None:
        assert texts(file) == []
        assert not file.path.exists()
        file.write([made("a"), made("b"), made("c", site=2)])
        file.write([made("d")])
        assert texts(file) == ["d", "b", "a"]
        assert texts(file, 2) == ["c"]
        assert texts(file, 3) == []

    def test_after_an_id(self, file: UnkeptFile) -> None:
        file.write([made("a")])
        ((first, _),) = file.read(1)
        file.write([made("b"), made("c")])
        assert [data for _, data in file.read(1, after=first)] == ["c", "b"]
        assert [data for _, data in file.read(1, limit=1)] == ["c"]

    def test_only_the_owner_of_the_server_reads_it(self, file: UnkeptFile) -> None:
        file.write([made()])
        assert file.path.stat().st_mode & 0o777 == 0o600

    def test_two_processes(self, file: UnkeptFile) -> None:
        code = (
            "import sys\nfrom pathlib import Path\nfrom tests.store.test_unkept import made\n"
            "from rybbit.store.unkept import UnkeptFile\n"
            "file = UnkeptFile(Path(sys.argv[1]))\n"
            "for number in range(100):\n    file.write([made(sys.argv[2])])\n"
        )
        children = [
            subprocess.Popen([sys.executable, "-c", code, str(file.path), name], cwd=REPOSITORY)
            for name in ("left", "right")
        ]
        assert [child.wait(60) for child in children] == [0, 0]
        found = file.read(1)
        assert sorted(data for _, data in found) == ["left"] * 100 + ["right"] * 100
        assert len({number for number, _ in found}) == 200

    def test_threads_and_forks(self, file: UnkeptFile) -> None:
        def write() -> None:
            for _ in range(60):
                file.write([made("thread")])

        thread = threading.Thread(target=write)
        thread.start()
        for _ in range(10):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    file.write([made("child")])
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
        thread.join(60)
        assert sorted(texts(file)) == ["child"] * 10 + ["thread"] * 60


class TestBounds:
    """No site takes another's room, and no flood takes all of a site's."""

    def test_a_thousand_a_site(self, file: UnkeptFile) -> None:
        file.write([made("other", site=2)])
        for start in range(0, MOST + 300, 100):
            file.write([made(str(start + n)) for n in range(100)])
        assert texts(file) == [str(n) for n in range(MOST + 299, 299, -1)]
        assert texts(file, 2) == ["other"]

    def test_a_flood_leaves_the_other_reasons(self, file: UnkeptFile) -> None:
        file.write([made("mine", reason="origin")])
        for _ in range(12):
            file.write([made()] * 100)
        assert len(texts(file)) == MOST
        assert texts(file)[-1] == "mine"

    def test_in_all(self, file: UnkeptFile, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unkept, "_MOST_PAGES", 256)
        file.write([made("quiet", site=99)])
        for site in range(1, 9):
            for _ in range(10):
                file.write([made("x" * 2000, site=site)] * 20)
        assert file.path.stat().st_size <= 256 * 4096
        assert texts(file, 99) == ["quiet"]
        counts = [len(texts(file, site)) for site in range(1, 9)]
        assert min(counts) > 0

    def test_more_sites_than_there_is_room_for(
        self, file: UnkeptFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unkept, "_MOST_PAGES", 64)
        for site in range(1, 200):
            file.write([made("x" * 2000, site=site)])
        assert file.path.stat().st_size <= 64 * 4096
        assert texts(file, 199)
        assert not texts(file, 1)


class TestTime:
    """An hour, less what the sweep needs to come round."""

    def test_gone_for_readers_and_from_disk(self, file: UnkeptFile, clocks: Clocks) -> None:
        file.write([made("the first")])
        clocks.move(SHOWN_MS / 1000 - 10)
        file.write([made("the second")])
        file.sweep()
        assert texts(file) == ["the second", "the first"]
        clocks.move(11)
        assert texts(file) == ["the second"]
        file.sweep()
        assert b"the first" not in file.path.read_bytes()
        assert b"the second" in file.path.read_bytes()
        clocks.move(SHOWN_MS / 1000)
        file.sweep()
        assert not file.path.exists()

    def test_a_clock_that_was_set_back(self, file: UnkeptFile, clocks: Clocks) -> None:
        file.write([made("from the future")])
        clocks.move(-24 * 3600)
        file.sweep()
        assert texts(file) == []
        file.write([made("now")])
        assert texts(file) == ["now"]

    def test_after_a_start_of_the_machine(self, file: UnkeptFile, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write([made("before")])
        monkeypatch.setattr(clock, "boot_id", lambda: "another")
        assert texts(file) == []
        file.write([made("after")])
        assert texts(file) == ["after"]
        assert b"before" not in file.path.read_bytes()


class TestForgetting:
    """Sites and visitors, also those of other workers' memory."""

    def test_a_site(self, file: UnkeptFile) -> None:
        late = made("of the gone")
        file.write([late, made("kept", site=2)])
        file.forget_site(1)
        assert b"of the gone" not in file.path.read_bytes()
        file.write([late, made("of the gone")])
        assert texts(file) == []
        assert b"of the gone" not in file.path.read_bytes()
        assert texts(file, 2) == ["kept"]

    def test_a_visitor(self, file: UnkeptFile, clocks: Clocks) -> None:
        late = made("the visitor")
        earlier = Unkept(1, clock.now_ms(), "ip", 8, 7, "the visitor yesterday")
        file.write(
            [late, earlier, made("another", visitor=8), made("nobody", visitor=None), made("x", site=2)]
        )
        file.forget_visitor(1, 7)
        assert b"the visitor" not in file.path.read_bytes()
        clocks.move(1)
        file.write([late, made("new")])
        assert texts(file) == ["new", "nobody", "another"]
        assert texts(file, 2) == ["x"]

    def test_what_was_erased_is_not_remembered_for_ever(self, file: UnkeptFile, clocks: Clocks) -> None:
        file.forget_site(1)
        file.sweep()
        assert file.path.exists()
        clocks.move(3600)
        file.sweep()
        assert not file.path.exists()


def test_the_file_shrinks(file: UnkeptFile, clocks: Clocks) -> None:
    file.write([made("x" * 3000)] * 200)
    clocks.move(SHOWN_MS / 1000 + 1)
    file.write([made("a")])
    before = file.path.stat().st_size
    file.sweep()
    assert file.path.stat().st_size < before / 10
    assert texts(file) == ["a"]


class TestTrouble:
    """A file that cannot be used costs what it held, and nothing else."""

    def test_damage(self, file: UnkeptFile) -> None:
        file.write([made()])
        file.path.write_bytes(b"no database" * 1000)
        assert texts(file) == []
        file.write([made("a")])
        assert texts(file) == ["a"]

    def test_damage_within(self, file: UnkeptFile) -> None:
        file.write([made("x" * 3000)] * 50)
        content = bytearray(file.path.read_bytes())
        content[4096:] = os.urandom(len(content) - 4096)
        file.path.write_bytes(content)
        assert texts(file) == []
        file.sweep()
        file.write([made("a")])
        assert texts(file) == ["a"]

    def test_a_full_disk(self, file: UnkeptFile, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write([made("a")])
        with monkeypatch.context() as patch:
            patch.setattr(unkept, "_MOST_PAGES", 1)
            patch.setattr(unkept, "_FULL", 1e9)
            with pytest.raises(Unavailable):
                file.write([made("x" * 5000)] * 50)
        assert texts(file) == ["a"]

    def test_a_disk_on_which_nothing_can_be_removed(
        self, file: UnkeptFile, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not even the log of a removal fits, so the whole file goes: nothing may outlive its hour."""
        file.write([made("a")])
        with file._opened() as database:
            database.execute(
                "create trigger full before delete on entry begin select raise(abort, 'disk is full'); end"
            )
        clocks.move(3600)
        file.sweep()
        assert not file.path.exists()

    def test_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        file = UnkeptFile(tmp_path / "file" / "unkept.db")
        with pytest.raises(Unavailable):
            file.write([made()])
        assert texts(file) == []

    def test_a_writer_that_is_killed(self, file: UnkeptFile) -> None:
        file.write([made("a")])
        code = (
            "import os, signal, sys\nfrom pathlib import Path\nfrom tests.store.test_unkept import made\n"
            "from rybbit.store.unkept import UnkeptFile\n"
            "file = UnkeptFile(Path(sys.argv[1]))\n"
            "with file._opened() as database:\n"
            "    database.execute('pragma cache_size = 1')\n"
            "    database.execute('update entry set data = ?', ('y' * 100_000,))\n"
            "    for number in range(500):\n"
            "        database.execute('insert into entry select max(id) + 1, 1, 1, 1, 1, 1, ? from entry',"
            " ('x' * 9000,))\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        assert subprocess.run([sys.executable, "-c", code, str(file.path)], cwd=REPOSITORY).returncode == -9
        assert texts(file) == ["a"]
        file.write([made("b")])
        assert texts(file) == ["b", "a"]
