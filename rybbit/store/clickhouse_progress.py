"""What a machine remembers of its batches in ClickHouse: who it is, and how far it is.

Several machines share a table, each with numbers of its own: a batch id is the machine's number and the
batch's. Readers take from here up to which batch the table counts, so that they need not ask for it, and
never see half a batch.
"""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rybbit.store.event import RECEIVED_BITS
from rybbit.store.journal_files import sync_folder

_NUMBER_BITS = 32
_WRITERS = 2**31 - 1
_ROOM = 2**16


class Known(NamedTuple):
    """The last batch of which an insert may have been tried, and the last one that is in for good."""

    begun: int
    finished: int


class Progress:
    """The two files of it in a folder; written by whoever holds the mover's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer = 0

    @property
    def writer(self) -> int:
        """The number of this machine, from 1; the first process that asks takes it by lot."""
        if not self._writer:
            self._create("writer", str(secrets.randbelow(_WRITERS) + 1))
            self._writer = int((self.folder / "writer").read_text())
        return self._writer

    @property
    def first_of_ms(self) -> int:
        """Where this machine's ids of a millisecond begin, with room for the events of one after it."""
        return self.writer % ((1 << RECEIVED_BITS) - _ROOM)

    def batch_id(self, number: int) -> int:
        """The id under which the rows of a batch stand in the table."""
        return (self.writer << _NUMBER_BITS) + number

    @property
    def last_id(self) -> int:
        """The greatest batch id that this machine can ever have."""
        return self.batch_id(2**_NUMBER_BITS - 1)

    def known(self) -> Known | None:
        """How far it is; None if that was never written, or is lost."""
        try:
            return Known(**json.loads((self.folder / "progress").read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def assume(self, finished: int) -> None:
        """Write how far it is if nobody has done so; needs no lock."""
        self._create("progress", _text(Known(finished, finished)))

    def begin(self, number: int) -> None:
        """Note, durably, that from now on rows of a batch may be in the table."""
        known = self.known()
        self._replace("progress", _text(Known(number, known.finished if known else number - 1)))

    def finish(self, number: int) -> None:
        """Note, durably, that a batch is in for good."""
        self._replace("progress", _text(Known(number, number)))

    def _create(self, name: str, text: str) -> None:
        if (self.folder / name).exists():
            return
        temporary = self._write(name, text)
        # A link fails when the name exists, so that two first processes cannot disagree.
        with suppress(FileExistsError):
            os.link(temporary, self.folder / name)
        temporary.unlink()
        sync_folder(self.folder)

    def _replace(self, name: str, text: str) -> None:
        self._write(name, text).rename(self.folder / name)
        sync_folder(self.folder)

    def _write(self, name: str, text: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{name}.{os.getpid()}.{secrets.token_hex(4)}"
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return temporary


def _text(known: Known) -> str:
    return json.dumps(known._asdict())
