"""Files that a long reader needs, kept by a name of its own while mover, compaction and vacuum go on."""

import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rybbit.store.journal_files import end_of_last_batch, try_lock


class Pin(NamedTuple):
    """The pinned files; the folder is locked as long as its maker lives."""

    folder: Path
    lock: int
    files: list[str]
    journal: list[str]

    def release(self) -> None:
        """Remove the names; files that nobody else has are gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            os.close(self.lock)


def pin_files(root: Path, files: Sequence[Path], closed: Sequence[Path], opened: Sequence[Path]) -> Pin:
    """Keep files of the table and of the journal; of open ones what is whole now.

    Raises:
        FileNotFoundError: one is gone by now; take another look.
    """
    folder = root / f"{os.getpid()}-{secrets.token_hex(6)}"
    folder.mkdir(parents=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    pin = Pin(folder, lock, [], [])
    try:
        try_lock(lock)
        for number, path in enumerate(files):
            pin.files.append(_keep(path, folder / f"{number:06d}.parquet"))
        for path in closed:
            pin.journal.append(_keep(path, folder / path.name))
        for path in opened:
            data = path.read_bytes()
            (folder / path.name).write_bytes(data[: end_of_last_batch(data)])
            pin.journal.append(str(folder / path.name))
    except BaseException:
        pin.release()
        raise
    return pin


def _keep(path: Path, name: Path) -> str:
    try:
        os.link(path, name)
    except FileNotFoundError:
        raise
    except OSError:
        # A file system without links; a copy takes its room, and is as good.
        shutil.copyfile(path, name)
    return str(name)


def sweep_pins(root: Path) -> None:
    """Remove what readers left behind that are gone."""
    for folder in root.glob("*-*"):
        try:
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            # Its maker has not come further, or never will; a living one takes another look.
            with suppress(OSError):
                folder.rmdir()
            continue
        try:
            if try_lock(descriptor):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
