"""Answers that are kept as long as nothing changes, so that a page which many look at is computed once."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from sys import getsizeof
from typing import Any

Rows = list[tuple[Any, ...]]

# What the place of an answer, a row or a cell takes beside what is in it, roughly.
_PLACE_BYTES = 64
# One answer may take so much of the room, lest a single long list drives all others out.
_LARGEST_SHARE = 8


class KeptAnswers:
    """Answers of one state of the store, the latest that anybody saw; safe for threads.

    A state holds all that answers depend on beside the question: with the first look at another one, those of
    the former are forgotten. So a store that takes events all the time keeps next to nothing.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.reset()

    def reset(self) -> None:
        """Forget everything, and the lock as well: it may be held by a thread that a fork left behind."""
        self._lock = threading.Lock()
        self._state: object = None
        self._answers: OrderedDict[bytes, tuple[Rows, int]] = OrderedDict()
        self._bytes = 0

    def find(self, state: object, question: bytes) -> Rows | None:
        """The answer to a question in a state, None if it is not kept."""
        with self._lock:
            self._forget_unless(state)
            found = self._answers.get(question)
            if found is None:
                return None
            self._answers.move_to_end(question)
            return list(found[0])

    def keep(self, state: object, question: bytes, rows: Rows) -> None:
        """Keep an answer that was computed after its state was looked at."""
        largest = self._most_bytes // _LARGEST_SHARE
        # To add up what many rows take costs more than it is worth.
        if _PLACE_BYTES * len(rows) > largest or (size := _bytes_of(rows)) > largest:
            return
        with self._lock:
            # Somebody else has seen a later state by now, or an earlier one: either way it does no good.
            if state != self._state or question in self._answers:
                return
            self._answers[question] = list(rows), size
            self._bytes += size
            while self._bytes > self._most_bytes:
                _, (_, freed) = self._answers.popitem(last=False)
                self._bytes -= freed

    def forget_unless(self, state: object) -> None:
        """Forget everything that is of another state: nobody will ask for that again."""
        with self._lock:
            self._forget_unless(state)

    def _forget_unless(self, state: object) -> None:
        if state != self._state:
            self._state = state
            self._answers.clear()
            self._bytes = 0


def name_of(*parts: Any) -> bytes:
    """A short name of a question, by everything that it says; parts show in their `repr` what they are."""
    return blake2b(repr(parts).encode(), digest_size=16).digest()


def _bytes_of(rows: Sequence[tuple[Any, ...]]) -> int:
    # The memory of a text is one to four bytes a character, as its widest one wants it.
    cells = sum(getsizeof(cell) for row in rows for cell in row)
    return _PLACE_BYTES * (1 + sum(1 + len(row) for row in rows)) + cells
