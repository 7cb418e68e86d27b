"""The sessions that events can still join, in a file that all workers of a machine map.

A session lies in pieces, one for each block of the calendar in which it has events, so that an event is
compared with what its visitor did around that time only, however much else they did: a server may send the
history of years as one visitor. Open addressing: a piece lies at the place that visitor and block name, or as
near behind it as there was room. Spans of one visitor never overlap, as each event goes to the nearest, so
that the nearest piece is a piece of the nearest session.

Looking up and changing it takes no system call, so a thread that holds the lock over all workers keeps the
interpreter, too. The same with SQLite made each batch wait for two milliseconds, most of them for threads.

The file is never synced. It outlives the processes; after a start of the machine (another boot id), or when
a process died while it was laying the table out anew, the caller fills it again from the events.
"""

import hashlib
import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from rybbit import clock
from rybbit.ingest.sessions import GAP_MS, KEPT_MS, Visitor

Row = tuple[int, int, int, int, int, int]
"""Of a piece: site_id, user_hash, session_id, first and last moment, receipt of the last event; in ms."""

BLOCK_MS = 4 * 60 * 60 * 1000
"""How long a block is: at least two gaps, so that what an event can join lies in two of them at most."""

_MAGIC = 0x7262_7370_616E_0003
_WORD = 8
_HEADER = 8  # words: magic, boot id (2), slots, slots in use, last id, note, spare
_SLOTS, _USED, _LAST_ID, _NOTE = 3, 4, 5, 6
_STRIDE = 6
_LEAST_SLOTS = 1 << 17
_FULLEST = 0.6
_SWEPT_AT_ONCE = 4096
# As lists, all slots of a large table would take hundreds of megabytes.
_SEARCHED_AT_ONCE = 1 << 16
# In place of a session's id: nothing was ever here; something was, so look further.
_EMPTY, _GONE = 0, -1
_SPREAD = 0x9E37_79B9_7F4A_7C15


class SpanTable:
    """The table in one file; every method but `close` is to be called under the lock over all workers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._words = memoryview(b"").cast("q")
        self._slots = 0

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        self._words.release()
        if self._map is not None:
            self._map.close()
        self._map = None
        self._words = memoryview(b"").cast("q")
        self._slots = 0

    def is_ready(self) -> bool:
        """Whether the table is whole and of this boot; if not, `fill` it."""
        if self._map is None and not self._open():
            return False
        words = self._words
        if words[0] != _MAGIC:
            return False
        # Another process may have made the table larger; the first page stays where it is.
        return words[_SLOTS] == self._slots or (self._open() and self._words[0] == _MAGIC)

    def _open(self) -> bool:
        self.close()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            size = _whole_words(descriptor)
            if size < (_HEADER + _STRIDE * _LEAST_SLOTS) * _WORD:
                return False
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map).cast("q")
        self._slots = self._words[_SLOTS]
        if not self._fits(size) or tuple(self._words[1:3]) != _boot_words():
            self.close()
            return False
        return True

    def _fits(self, size: int) -> bool:
        is_power_of_two = self._slots & (self._slots - 1) == 0
        enough = size >= (_HEADER + _STRIDE * self._slots) * _WORD
        return is_power_of_two and enough and self._slots >= _LEAST_SLOTS

    def fill(self, rows: Iterable[Row], *, last_id: int) -> None:
        """Lay the table out anew with these spans.

        Raises:
            OSError: there is no room for the file; what was there is not valid any more.
        """
        spans = list(rows)
        slots = _LEAST_SLOTS
        while len(spans) > slots * _FULLEST / 2:
            slots *= 2
        self.close()
        size = (_HEADER + _STRIDE * slots) * _WORD
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < size:
                _allocate(descriptor, size)
            # From here on, whoever dies leaves a table that counts as not ready.
            os.pwrite(descriptor, bytes(_WORD), 0)
            self._map = mmap.mmap(descriptor, _whole_words(descriptor))
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map).cast("q")
        self._lay_out(spans, slots, last_id)

    def _lay_out(self, spans: list[Row], slots: int, last_id: int) -> None:
        words = self._words
        note = words[_NOTE]
        memoryview(words).cast("B")[_WORD:] = bytes(len(words) * _WORD - _WORD)
        words[1], words[2] = _boot_words()
        words[_SLOTS] = self._slots = slots
        words[_LAST_ID] = last_id
        words[_NOTE] = note
        for row in spans:
            self._put(row)
        words[0] = _MAGIC

    @property
    def last_id(self) -> int:
        """The greatest id given so far."""
        return self._words[_LAST_ID]

    @last_id.setter
    def last_id(self, value: int) -> None:
        """Note that ids up to this one are given."""
        self._words[_LAST_ID] = value

    @property
    def is_noted(self) -> bool:
        """Whether somebody left a note that a write was about to begin; survives `fill`."""
        return self._words[_NOTE] != 0

    @is_noted.setter
    def is_noted(self, value: bool) -> None:
        """Say whether there is such a note."""
        self._words[_NOTE] = int(value)

    def has_live(self, visitor: Visitor, timestamp: int) -> bool:
        """Whether an event of this moment would join a session that the visitor has."""
        return self._nearest(visitor, timestamp) >= 0

    def assign(self, visitor: Visitor, timestamp: int, event_id: int, *, now_ms: int) -> int:
        """The session of an event; the span of it grows, or a new one begins. See `sessions`."""
        words = self._words
        base = self._nearest(visitor, timestamp)
        session_id = event_id if base < 0 else words[base + 2]
        block = timestamp // BLOCK_MS
        if base >= 0 and words[base + 3] // BLOCK_MS != block:
            base = self._piece(visitor, session_id, block)
        if base < 0:
            self._add((*visitor, session_id, timestamp, timestamp, now_ms))
            return session_id
        words[base + 5] = now_ms
        if timestamp < words[base + 3]:
            words[base + 3] = timestamp
        elif timestamp > words[base + 4]:
            words[base + 4] = timestamp
        return session_id

    def _nearest(self, visitor: Visitor, timestamp: int) -> int:
        """Where the nearest piece lies that the moment can join; -1 if there is none."""
        site_id, user_hash = visitor
        words = self._words
        best, best_rank = -1, (GAP_MS + 1, 0)
        for block in range((timestamp - GAP_MS) // BLOCK_MS, (timestamp + GAP_MS) // BLOCK_MS + 1):
            for base in self._places(visitor, block):
                if words[base + 1] != user_hash or words[base] != site_id:
                    continue
                rank = (max(words[base + 3] - timestamp, timestamp - words[base + 4], 0), words[base + 2])
                if rank < best_rank and words[base + 2] > 0:
                    best, best_rank = base, rank
        return best

    def _piece(self, visitor: Visitor, session_id: int, block: int) -> int:
        """Where a session's piece of a block lies; -1 if there is none."""
        words = self._words
        for base in self._places(visitor, block):
            is_session = words[base + 2] == session_id and (words[base], words[base + 1]) == visitor
            if is_session and words[base + 3] // BLOCK_MS == block:
                return base
        return -1

    def _places(self, visitor: Visitor, block: int) -> Iterator[int]:
        """The slots in which a visitor's pieces of a block can lie, up to the first that was never used."""
        words, mask = self._words, self._slots - 1
        place = _place(visitor, block) & mask
        while words[(base := _HEADER + _STRIDE * place) + 2] != _EMPTY:
            yield base
            place = (place + 1) & mask

    def _add(self, row: Row) -> None:
        if self._words[_USED] > self._slots * _FULLEST:
            self.fill(self._live_rows(row[5]), last_id=self.last_id)
        self._put(row)

    def _put(self, row: Row) -> None:
        site_id, user_hash, session_id, first, last, received = row
        words, mask = self._words, self._slots - 1
        place = _place((site_id, user_hash), first // BLOCK_MS) & mask
        while words[(base := _HEADER + _STRIDE * place) + 2] > _EMPTY:
            place = (place + 1) & mask
        if words[base + 2] == _EMPTY:
            words[_USED] += 1
        words[base], words[base + 1] = site_id, user_hash
        words[base + 3], words[base + 4], words[base + 5] = first, last, received
        # Last, since it makes the slot count: a process may die between any two of these.
        words[base + 2] = session_id

    def _live_rows(self, now_ms: int) -> list[Row]:
        oldest = now_ms - KEPT_MS
        words = self._words
        bases = range(_HEADER, _HEADER + _STRIDE * self._slots, _STRIDE)
        return [
            (words[base], words[base + 1], words[base + 2], words[base + 3], words[base + 4], words[base + 5])
            for base in bases
            if words[base + 2] > 0 and words[base + 5] >= oldest
        ]

    def sweep(self, start: int, *, now_ms: int) -> int:
        """Wipe the pieces in some slots whose time is over; answers where to go on, 0 at the end."""
        oldest = now_ms - KEPT_MS
        end = min(start + _SWEPT_AT_ONCE, self._slots)
        for base in range(_HEADER + _STRIDE * start, _HEADER + _STRIDE * end, _STRIDE):
            if self._words[base + 2] > 0 and self._words[base + 5] < oldest:
                self._wipe(base)
        return end if end < self._slots else 0

    def forget_visitor(self, visitor: Visitor) -> None:
        """Wipe the spans of a visitor."""
        site_id, user_hash = visitor
        for base in self._slots_with(1, user_hash):
            if self._words[base] == site_id:
                self._wipe(base)

    def forget_site(self, site_id: int) -> None:
        """Wipe the spans of a site."""
        for base in self._slots_with(0, site_id):
            self._wipe(base)

    def _slots_with(self, word: int, value: int) -> Iterator[int]:
        """The slots that have a number in a place; a list is searched ten times as fast as the memory."""
        end = _HEADER + _STRIDE * self._slots
        for start in range(_HEADER, end, _STRIDE * _SEARCHED_AT_ONCE):
            found = self._words[
                start + word : min(start + _STRIDE * _SEARCHED_AT_ONCE, end) : _STRIDE
            ].tolist()
            place = -1
            for _ in range(found.count(value)):
                place = found.index(value, place + 1)
                yield start + _STRIDE * place

    def _wipe(self, base: int) -> None:
        self._words[base + 2] = _GONE
        for word in (0, 1, 3, 4, 5):
            self._words[base + word] = 0


def _place(visitor: Visitor, block: int) -> int:
    """Where the search begins, before it is cut to the size of the table."""
    site_id, user_hash = visitor
    return user_hash ^ (site_id + block) * _SPREAD


def _boot_words() -> tuple[int, int]:
    digest = hashlib.blake2b(clock.boot_id().encode(), digest_size=16).digest()
    first, second = struct.unpack("qq", digest)
    return first, second


def _whole_words(descriptor: int) -> int:
    """The size of a file in bytes, less what is left over at its end."""
    return os.fstat(descriptor).st_size // _WORD * _WORD


def _allocate(descriptor: int, size: int) -> None:
    """Give the file its blocks now: a mapped file without them would kill the process on a full disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.pwrite(descriptor, bytes(size), 0)
