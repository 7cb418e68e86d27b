"""The files of the journal and the folder they lie in.

A file is born as `ID.new`, becomes `ID.open` once its maker holds the lock on it, and `ID.jsonl` when
it is closed for good. Only `.open` files can be adopted: whoever gets the lock of one knows that its
writer is dead. A manifest `N.batch` names the closed files that were committed, or are being
committed, to the store as batch N.
"""

import fcntl
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rybbit import clock
from rybbit.faults import crash_point
from rybbit.store.event import read_line

logger = logging.getLogger(__name__)

_STALE_BIRTH_SECONDS = 60
# A line that belongs to an event whose batch goes on in the next line ends like this.
CONTINUED = b',"more":1}\n'
_MANIFEST = re.compile(r"(\d+)\.batch")


@dataclass(frozen=True)
class Listing:
    """What lay in the journal at one moment; names only."""

    open: frozenset[str]
    closed: frozenset[str]
    manifests: tuple[tuple[int, tuple[str, ...]], ...]

    def names_after(self, committed: int) -> tuple[list[str], list[str]]:
        """The (open, closed) files whose rows are in no batch up to number `committed`."""
        moved = {name for number, names in self.manifests if number <= committed for name in names}
        return sorted(self.open), sorted(self.closed - moved)


def created_ms(name: str) -> int:
    """When a journal file was born (ms since 1970), by its name; 0 for a name that is not ours."""
    head = name.partition("-")[0]
    return int(head) if head.isascii() and head.isdigit() else 0


def sync_folder(folder: Path) -> None:
    """Make creations, renames and removals in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the content of a file that is written and closed durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class JournalFolder:
    """The folder of the journal: listing, adoption of what dead processes left, manifests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.quarantine = path / "quarantine"

    def create(self) -> None:
        """Make the folders, if they are not there, durably."""
        self.quarantine.mkdir(parents=True, exist_ok=True)
        sync_folder(self.path)
        sync_folder(self.path.parent)

    def is_writable(self) -> bool:
        """Whether something can be written durably here; tried out, not guessed."""
        # Named as a file that comes into being, so that one that is left behind goes as those do.
        path = self.path / f"{os.getpid()}-{secrets.token_hex(4)}.probe.new"
        try:
            path.write_bytes(b"?")
            sync_file(path)
        except OSError:
            return False
        finally:
            # Where it could not be written, it may not be possible to look for it either.
            with suppress(OSError):
                path.unlink()
        return True

    def forget_site(self, site_id: int) -> None:
        """Remove the lines in quarantine that name a site."""
        self._forget(rb'"site_id"\s*:\s*%d\b' % site_id)

    def forget_visitor(self, site_id: int, user_hash: int, *, name: str = "") -> None:
        """Remove the lines in quarantine that hold the number or the name of a visitor, of whichever site."""
        words = [rb'"user_hash"\s*:\s*%d\b' % user_hash]
        for text in {json.dumps(name), json.dumps(name, ensure_ascii=False)} if name else ():
            words.append(re.escape(text.encode()))
        self._forget(b"|".join(words))

    def _forget(self, pattern: bytes) -> None:
        """Lines in quarantine are no events, so that nothing but their text tells whose they are."""
        for path in self.quarantine.glob("*.jsonl"):
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if not re.search(pattern, line)]
            if len(kept) < len(lines):
                replace_file(path, b"".join(kept))

    def listing(self) -> Listing:
        """One look at the folder; a rename that happens meanwhile can hide a file (look twice)."""
        open_names, closed_names, manifests = set(), set(), []
        for name in self._names():
            if name.endswith(".open"):
                open_names.add(name)
            elif name.endswith(".jsonl"):
                closed_names.add(name)
            elif match := _MANIFEST.fullmatch(name):
                manifests.append((int(match[1]), tuple(self._read_manifest(name))))
        return Listing(frozenset(open_names), frozenset(closed_names), tuple(sorted(manifests)))

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.path)  # noqa: PTH208 -- this runs with every query, and names are enough
        except FileNotFoundError:
            return []

    def _read_manifest(self, name: str) -> list[str]:
        try:
            names: list[str] = json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            return []
        return names

    def write_manifest(self, number: int, names: list[str]) -> None:
        """Name the files of batch `number`, durably and all at once."""
        temporary = self.path / f"{number}.manifest-new"
        with temporary.open("wb") as file:
            file.write(json.dumps(names).encode())
            file.flush()
            os.fsync(file.fileno())
        crash_point("manifest:before-rename")
        temporary.rename(self.path / f"{number}.batch")
        sync_folder(self.path)

    def remove_batch_files(self, names: tuple[str, ...]) -> None:
        """Delete the files of a batch that is in the store, and copies that a dead mover left of them."""
        for name in names:
            self.cleaned(name).unlink(missing_ok=True)
            (self.path / name).unlink(missing_ok=True)
            crash_point("batch:file-removed")
        sync_folder(self.path)

    def cleaned(self, name: str) -> Path:
        """Where a copy of a file lies that has its readable lines alone."""
        return (self.path / name).with_suffix(".clean")

    def remove_manifest(self, number: int) -> None:
        """Forget a batch whose files are gone."""
        (self.path / f"{number}.batch").unlink(missing_ok=True)
        sync_folder(self.path)

    def adopt_orphans(self, before_closing: Callable[[Path], None]) -> int:
        """Close the files of dead processes; answers how many.

        Args:
            before_closing: called with the path of each, its torn end cut off, still named `.open`.
        """
        adopted = sum(self._adopt(name, before_closing) for name in sorted(self.listing().open))
        self._remove_stillborn()
        return adopted

    def _adopt(self, name: str, before_closing: Callable[[Path], None]) -> bool:
        with _locked_if_free(self.path / name) as descriptor:
            if descriptor < 0:
                return False
            cut_torn_end(descriptor)
            crash_point("adoption:end-cut")
            before_closing(self.path / name)
            crash_point("adoption:noted")
            close_under_name(self.path / name)
            crash_point("adoption:closed")
            logger.warning("Closed journal file %s of a process that is gone", name)
            return True

    def _remove_stillborn(self) -> None:
        for path in self.path.glob("*.new"):
            try:
                old = clock.now_ms() / 1000 - path.stat().st_mtime > _STALE_BIRTH_SECONDS
            except FileNotFoundError:
                continue
            if old:
                path.unlink(missing_ok=True)


@contextmanager
def _locked_if_free(path: Path) -> Iterator[int]:
    """The descriptor of the file with its lock held, or -1 if it is gone or its writer lives."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield -1
        return
    try:
        yield descriptor if try_lock(descriptor) and is_same_file(descriptor, path) else -1
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Take the lock of a journal file unless somebody holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_same_file(descriptor: int, path: Path) -> bool:
    """Whether the path still names the file that the descriptor has open."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def cut_torn_end(descriptor: int) -> int:
    """Cut a file after the last line that ends a batch, durably; answers the new size in bytes."""
    size = os.fstat(descriptor).st_size
    good = end_of_last_batch(os.pread(descriptor, size, 0))
    if good < size:
        os.ftruncate(descriptor, good)
    os.fsync(descriptor)
    return good


def end_of_last_batch(data: bytes) -> int:
    """Where the last batch ends that is there as a whole, in bytes; what follows was never acknowledged."""
    end = data.rfind(b"\n") + 1
    while end > 0 and data.endswith(CONTINUED, 0, end):
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def complete_lines(path: Path, offset: int) -> list[bytes]:
    """The lines of complete batches from an offset on, in an open or by now closed file; [] if it is gone."""
    for candidate in (path, path.with_suffix(".jsonl")):
        try:
            data = candidate.read_bytes()
        except FileNotFoundError:
            continue
        return data[offset : end_of_last_batch(data)].splitlines()
    return []


def unfinished_ids(path: Path) -> tuple[int, int] | None:
    """The first and last id of a batch whose end is missing in an open file; None if there is none.

    Such lines are of a write under way, or of a writer that died in it; nobody was told that they are stored.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(CONTINUED)))
            end = file.read()
            if not end or (end.endswith(b"\n") and end != CONTINUED):
                return None
            file.seek(0)
            data = file.read()
    except FileNotFoundError:
        return None
    lines = data[end_of_last_batch(data) :].splitlines()
    rows = [row for line in lines if (row := read_line(line)) is not None]
    return (min(row["id"] for row in rows), max(row["id"] for row in rows)) if rows else None


def replace_file(path: Path, data: bytes) -> None:
    """Put other content in the place of a file, durably; without content it is gone."""
    if not data:
        path.unlink(missing_ok=True)
    else:
        temporary = path.with_suffix(".new")
        temporary.write_bytes(data)
        sync_file(temporary)
        temporary.rename(path)
    sync_folder(path.parent)


def close_under_name(path: Path) -> None:
    """Rename an `.open` file to its closed name, or remove it if it holds nothing."""
    if path.stat().st_size == 0:
        path.unlink()
    else:
        path.rename(path.with_suffix(".jsonl"))
    sync_folder(path.parent)


class JournalFile:
    """The file that one process appends to; its lock is held as long as it is open."""

    def __init__(self, folder: Path) -> None:
        stem = f"{clock.now_ms()}-{os.getpid()}-{secrets.token_hex(4)}"
        born = folder / f"{stem}.new"
        self.path = folder / f"{stem}.open"
        self.size = 0
        self.opened_at = clock.monotonic()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(born, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            born.rename(self.path)
            sync_folder(folder)
        except OSError:
            os.close(self._descriptor)
            raise

    def write(self, data: bytes) -> None:
        """Append durably; after an error the file is cut back to where it was, and must be closed."""
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            _sync_data(self._descriptor)
        except BaseException:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def close(self) -> None:
        """Close for good; from here on the mover may take it."""
        try:
            close_under_name(self.path)
        finally:
            os.close(self._descriptor)

    def abandon(self) -> None:
        """Close the descriptor alone: in a forked child, where the file is the parent's."""
        os.close(self._descriptor)


# macOS has no fdatasync; there, fsync does as much as it can.
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
