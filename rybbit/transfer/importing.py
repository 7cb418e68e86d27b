"""Importing a file: read, sorted with sessions, then put into the journal part by part.

It can be killed anywhere and begun again with the same file: till everything is read nothing is in the
journal, and from then on a note says, on disk before each step, which part is in. A part is prepared beside
the journal and gets there by being renamed, so that it is in one place or in the other.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from rybbit import clock
from rybbit.errors import Conflict
from rybbit.faults import crash_point
from rybbit.ingest.directory import TrackedSite
from rybbit.locks import FileLock
from rybbit.store.journal_files import replace_file, sync_file, sync_folder
from rybbit.store.loads import LoadFolder
from rybbit.transfer.loading import PART_EVENTS, Loader
from rybbit.transfer.rows import BadRow, Source
from rybbit.transfer.tables import sort_chunks, write_chunk, write_part

CHUNK_EVENTS = 200_000
_PIECE_BYTES = 1024 * 1024

Tell = Callable[[str, int, int], object]
"""Called with a word for what is done, how far it is, and how far it goes."""


@dataclass(frozen=True, slots=True)
class State:
    """The note of an import: so many events in parts, of which `part` are in the journal.

    `is_staged` says that the next one was prepared, and is in the journal if it does not lie here any more.
    """

    site_id: int
    number: int
    events: int = 0
    rejected: int = 0
    part: int = 0
    is_staged: bool = False
    is_sorted: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import came to; `rejected` names the file that has a line for each row that is no event."""

    events: int
    rejected_rows: int
    rejected: Path
    was_resumed: bool


class Importer:
    """Imports into one site; one import of an instance at a time."""

    def __init__(
        self, loads: LoadFolder, loader: Loader, site: TrackedSite, *, exists: Callable[[], bool]
    ) -> None:
        self._loads = loads
        self._loader = loader
        self._site = site
        self._exists = exists

    def run(self, path: Path, source: Source, *, again: bool, tell: Tell) -> Outcome:
        """Import a file, or go on where it was broken off.

        Args:
            again: whether to import a file that was imported into the site before.

        Raises:
            Conflict: it was imported before, another import is under way, or the site is gone.
        """
        with _alone(self._loads):
            key = _key_of(path, self._site.site_id)
            folder = self._loads.path / key
            was_resumed = (folder / "state.json").exists()
            if _done(self._loads, key).exists() and not again and not was_resumed:
                raise Conflict(f"{path.name} was imported into this site before; with --again it is doubled")
            state = self._prepared(folder, source, tell)
            state = self._place_all(folder, state, tell)
            return self._finish(folder, state, was_resumed=was_resumed)

    def _prepared(self, folder: Path, source: Source, tell: Tell) -> State:
        """The note of an import whose events lie sorted in the folder."""
        note = folder / "state.json"
        if note.exists():
            state = State(**json.loads(note.read_bytes()))
            if state.is_sorted:
                return state
        _clear(folder)
        folder.mkdir(parents=True)
        state = State(self._site.site_id, self._loads.next_number())
        _write(folder, state)
        now_ms = clock.now_ms()
        reader = _Reader(folder, source, self._site, now_ms)
        chunks = reader.read(tell)
        tell("Sorting", 0, 1)
        if reader.events:
            sort_chunks(chunks, folder / "sorted.parquet", load=state.number, now_ms=now_ms)
            sync_file(folder / "sorted.parquet")
        tell("Sorting", 1, 1)
        for chunk in chunks:
            chunk.unlink()
        state = replace(state, events=reader.events, rejected=reader.rejected, is_sorted=True)
        crash_point("import:sorted")
        _write(folder, state)
        return state

    def _place_all(self, folder: Path, state: State, tell: Tell) -> State:
        parts = -(-state.events // PART_EVENTS)
        with self._loader.moving() as move:
            while state.part < parts:
                if not self._exists():
                    _clear(folder)
                    raise Conflict("The site was deleted; the rest of the file was not imported")
                tell("Storing", min(state.part * PART_EVENTS, state.events), state.events)
                state = self._place(folder, state)
                move()
        tell("Storing", state.events, state.events)
        return state

    def _place(self, folder: Path, state: State) -> State:
        staged = folder / "part.jsonl"
        if not state.is_staged:
            first = state.part * PART_EVENTS
            write_part(folder / "sorted.parquet", staged, first=first, last=first + PART_EVENTS)
            sync_file(staged)
            sync_folder(folder)
            crash_point("import:prepared")
            state = _write(folder, replace(state, is_staged=True))
        crash_point("import:staged")
        if staged.exists():
            self._loader.place(staged, state.number, state.part)
        crash_point("import:placed")
        return _write(folder, replace(state, part=state.part + 1, is_staged=False))

    def _finish(self, folder: Path, state: State, *, was_resumed: bool) -> Outcome:
        rejected = self._loads.path / f"rejected-{state.number}.txt"
        if (folder / "rejected.txt").exists():
            (folder / "rejected.txt").rename(rejected)
        crash_point("import:moved")
        _mark_done(self._loads, folder.name, state)
        _clear(folder)
        return Outcome(state.events, state.rejected, rejected, was_resumed)


def give_up(loads: LoadFolder, site_id: int) -> int:
    """Let the unfinished imports into a site be: what is in stays, the rest does not come.

    Answers how many there were.

    Raises:
        Conflict: an import is under way.
    """
    with _alone(loads):
        folders = loads.unfinished(site_id)
        for folder in folders:
            state = State(**json.loads((folder / "state.json").read_bytes()))
            if state.part or (state.is_staged and not (folder / "part.jsonl").exists()):
                # The same file would double what is in.
                _mark_done(loads, folder.name, state)
            _clear(folder)
    return len(folders)


def _mark_done(loads: LoadFolder, key: str, state: State) -> None:
    note = json.dumps({"events": state.events, "number": state.number})
    replace_file(_done(loads, key), note.encode())


def _done(loads: LoadFolder, key: str) -> Path:
    return loads.path / f"{key}.done"


@contextmanager
def _alone(loads: LoadFolder) -> Iterator[None]:
    lock = FileLock(loads.path / "import.lock")
    if not lock.acquire(blocking=False):
        raise Conflict("Another import is under way")
    try:
        yield
    finally:
        lock.release()
        lock.close()


class _Reader:
    """Reads a file into chunks; a row that is no event gets a line in `rejected.txt`."""

    def __init__(self, folder: Path, source: Source, site: TrackedSite, now_ms: int) -> None:
        self._folder = folder
        self._source = source
        self._site = site
        self._now_ms = now_ms
        self.events = 0
        self.rejected = 0

    def read(self, tell: Tell) -> list[Path]:
        """The chunks, with all good rows."""
        chunks: list[Path] = []
        lines = self._folder / "rows.jsonl"
        with (self._folder / "rejected.txt").open("w") as rejected:
            rows = self._good_rows(rejected, tell)
            while True:
                first = self.events
                with lines.open("wb") as file:
                    self._fill(file, rows)
                if self.events == first:
                    break
                chunks.append(self._folder / f"chunk-{len(chunks):06d}.parquet")
                write_chunk(lines, chunks[-1], first)
        lines.unlink()
        return chunks

    def _fill(self, file: IO[bytes], rows: Iterator[dict[str, Any]]) -> None:
        until = self.events + CHUNK_EVENTS
        while self.events < until and (row := next(rows, None)) is not None:
            file.write(json.dumps(row).encode() + b"\n")
            self.events += 1

    def _good_rows(self, rejected: IO[str], tell: Tell) -> Iterator[dict[str, Any]]:
        for number, row in enumerate(self._source.rows()):
            if number % 1_000 == 0:
                tell("Reading", row.progress, self._source.size)
            problem = row.problem
            if not problem:
                try:
                    yield self._source.columns(row.fields, self._site, self._now_ms)
                    continue
                except BadRow as error:
                    problem = str(error)
            self.rejected += 1
            rejected.write(f"{row.place}: {problem}\n")
        tell("Reading", self._source.size, self._source.size)


def _write(folder: Path, state: State) -> State:
    replace_file(folder / "state.json", json.dumps(asdict(state)).encode())
    return state


def _clear(folder: Path) -> None:
    """Remove what an import has prepared; the note last, so that who looks for imports sees it till then."""
    for path in folder.glob("*"):
        if path.name != "state.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _key_of(path: Path, site_id: int) -> str:
    digest = hashlib.sha256(f"{site_id}\0".encode())
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(_PIECE_BYTES), b""):
            digest.update(piece)
    return f"import-{digest.hexdigest()[:32]}"
