"""What a store of events can do, in words that hold for every engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rybbit.errors import RybbitError, Unavailable

if TYPE_CHECKING:
    from rybbit.store.export import ByteStream, Form, Selection
    from rybbit.store.visit import Visits


class UnreadableBatch(RybbitError):
    """A journal file of the batch holds something that is no event; nothing was committed."""


class TooSlow(Unavailable):
    """A query was given up after the time that it had."""


class TooBusy(TooSlow):
    """A query that may take long was not begun, since others are at theirs."""


class TooLarge(Unavailable):
    """A query needs more memory than there is for it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which events a query can touch at all, so that a store opens no more than it must.

    Times are milliseconds since 1970, the end exclusive; None means no bound.
    """

    site_id: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None

    def may_be_before(self, site_id: int, moment_ms: int | None) -> bool:
        """Whether an event of a site from before a moment, of any time for None, can be touched."""
        if self.site_id not in (None, site_id):
            return False
        return moment_ms is None or self.start_ms is None or self.start_ms < moment_ms


EVERYTHING = Scope()


class EventStore(Protocol):
    """The place where events stay after the journal."""

    @property
    def first_of_ms(self) -> int:
        """Where this machine's ids of a millisecond begin, so that those that share the store give others."""

    def last_batch(self) -> int:
        """The number of the last batch that is in for good; 0 if there is none."""

    def commit_batch(self, number: int, paths: Sequence[Path]) -> int:
        """Take the events of journal files in as one batch, exactly once; answers their number.

        A batch whose number is not above `last_batch` is in already, and nothing happens.

        Raises:
            UnreadableBatch: a line is no event; the caller sorts out which.
            Unavailable: the store is a server that does not answer; try again with the same files.
        """

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        scope: Scope = EVERYTHING,
        visits: "Visits | None" = None,
        seconds: float | None = None,
    ) -> list[tuple[Any, ...]]:
        """Rows of a query over the relation `events`, which holds every acknowledged event once.

        With `visits` there is a relation of that name as well.

        `sql` is lower case and may begin with `with`; values are bound as `$name`. It is in DuckDB's words
        where engines differ; `dialect.py` lists those that may be used. It names the columns that it reads,
        or says `select * from events`.

        Raises:
            TooSlow: it was not done within `seconds`.
            Unavailable: the store is a server that does not answer.
        """

    def export(self, selection: "Selection", form: "Form") -> "ByteStream":
        """The selected events as a file, piece by piece, in no promised order; to be closed by the caller.

        What it holds is decided now: nothing that happens to the store later changes it. An engine that
        cannot do that has `export_by_pages`.
        """

    def accepts_pattern(self, pattern: str) -> bool:
        """Whether the engine can use a text from outside as a regular expression (RE2)."""

    def is_well(self) -> bool:
        """Whether queries can be answered and batches be taken in; asks a server, if the store is one."""

    def needs_rewrite(self) -> bool:
        """Whether small files have piled up, or deleted events wait to be erased."""

    def rewrite(self, *, everything: bool = False) -> None:
        """Compact, erase what is deleted, remove files that were replaced long enough ago."""

    def describe(self) -> dict[str, Any]:
        """What an operator wants to know: `engine`; if it answers, `events`, `files`, `bytes`, `version`."""

    def close(self) -> None:
        """Let go of files and memory; the next call opens them again."""
