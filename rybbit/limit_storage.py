"""Moving windows in a file that all processes of a machine map.

A file is a header and a fixed number of slots. A slot belongs to one key: its fingerprint, and a ring
of the times of its last hits, so that of any `expiry` seconds at most `limit` hits are let through.

Memory is bounded, and this is the price: when every slot in which a key may live belongs to another
key, the one that was hit longest ago loses its hits. With a limit of 20 a second that takes thousands
of keys in the same second.

The files may be deleted while no server runs, and only then.
"""

import hashlib
import mmap
import os
import struct
import sys
import weakref
from bisect import bisect_left
from functools import lru_cache, partial
from pathlib import Path

from rybbit import clock
from rybbit.errors import ConfigurationError
from rybbit.locks import QuickLock

_MAGIC = b"RYBLIMIT"
_VERSION = 1
_HEADER = struct.Struct("=8s4Q16s8x")
_WORD = 8
_SLOT_HEAD = 3  # words: two of the fingerprint, one for the place of the next hit in the ring

_MOST_SLOTS = 16_384
_LEAST_SLOTS = 64
_MOST_BYTES = 16 * 1024 * 1024
_PROBES = 8
_KNOWN_KEYS = 8_192

_EARLIEST = sys.float_info.min  # 0 in a ring stands for no hit, whatever the clock shows


def slot_count(limit: int) -> int:
    """How many keys fit the file of `limit`; raises ConfigurationError if they are too few to be of use."""
    fitting = _MOST_BYTES // _WORD // (_SLOT_HEAD + limit + 1)
    if fitting < _LEAST_SLOTS:
        most = _MOST_BYTES // _WORD // _LEAST_SLOTS - _SLOT_HEAD - 1
        raise ConfigurationError(
            f"A rate limit of {limit} requests is too large to be counted exactly: use at most {most}, "
            "or leave the setting empty to switch the limit off."
        )
    return min(_MOST_SLOTS, 1 << (fitting.bit_length() - 1))


def file_name(limit: int, expiry: int) -> str:
    """The name that carries the whole geometry, so that no process ever finds a file of another one."""
    return f"{limit}-per-{expiry}s.v{_VERSION}-{slot_count(limit)}.window"


class WindowFile:
    """The hit times of many keys under one limit, in a file that all processes map.

    Safe for any number of threads and processes. The constructor makes the file if need be; it raises
    OSError, and ConfigurationError for a limit that is too large.
    """

    def __init__(self, folder: Path, limit: int, expiry: int) -> None:
        self.limit = limit
        self.expiry = expiry
        self._slots = slot_count(limit)
        # One place more than the limit: a hit is written to the spare place and counts from the moment
        # the head moves past it, so a process killed in between leaves the ring as it was.
        self._ring = limit + 1
        self._stride = _SLOT_HEAD + self._ring
        self._blank_slot = bytes(self._stride * _WORD)
        self._size = _HEADER.size + self._slots * self._stride * _WORD
        self._boot = hashlib.blake2b(clock.boot_id().encode(), digest_size=16).digest()
        self._locate = lru_cache(_KNOWN_KEYS)(partial(_place, self._boot, self._slots, self._stride))
        self._lock = QuickLock(folder / file_name(limit, expiry))
        weakref.finalize(self, self._lock.close).atexit = False
        with self._lock:
            self._map = self._open_map()
            self._initialize()
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("Q")
        self._times = self._bytes.cast("d")

    def acquire(self, key: str, amount: int) -> bool:
        """Count `amount` hits of `key` now if all of them are within the limit, else none."""
        if not 0 < amount <= self.limit:
            return amount <= 0
        high, low, bases = self._locate(key)
        words, times, ring = self._words, self._times, self._ring
        lock = self._lock
        # Between here and the release every other process waits: nothing that could be done before.
        lock.acquire()
        try:
            # Read under the lock, so that the times of a ring never decrease.
            now = clock.monotonic()
            cutoff = now - self.expiry
            base = bases[0]
            if words[base] != high or words[base + 1] != low or words[base + 2] >= ring:
                base = self._find(high, low, bases) or self._claim(high, low, bases, now)
            head = words[base + 2]
            first = base + _SLOT_HEAD
            oldest = times[first + (head + amount) % ring]
            # 0 is a place never used; a time in the future is damage, and must not keep a key out.
            if oldest and cutoff <= oldest <= now:
                return False
            for place in range(head, head + amount):
                times[first + place % ring] = now
            words[base + 2] = (head + amount) % ring
            return True
        finally:
            lock.release()

    def window(self, key: str) -> tuple[float, int]:
        """Of the hits of `key` that count now: the age in seconds of the oldest, and how many there are."""
        high, low, bases = self._locate(key)
        with self._lock:
            now = clock.monotonic()
            base = self._find(high, low, bases)
            return self._count(base, now) if base else (0.0, 0)

    def forget(self, key: str) -> None:
        """Take back all hits of `key`."""
        high, low, bases = self._locate(key)
        with self._lock:
            base = self._find(high, low, bases)
            if base:
                self._erase(base)

    def forget_all(self) -> None:
        """Take back all hits of all keys."""
        blank = bytes(self._size - _HEADER.size)
        with self._lock:
            self._bytes[_HEADER.size :] = blank

    def close(self) -> None:
        """Unmap the file; nobody may use this object any more."""
        for view in (self._words, self._times, self._bytes):
            view.release()
        self._map.close()
        self._lock.close()

    def _open_map(self) -> mmap.mmap:
        # A descriptor of its own: `mmap` keeps a copy, and a copy of the lock's would share its lock.
        descriptor = os.open(self._lock.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _allocate(descriptor, self._size)
            return mmap.mmap(descriptor, self._size)
        finally:
            os.close(descriptor)

    def _initialize(self) -> None:
        """Blank the file unless it was written under this boot, whose clock its times were read from."""
        header = _HEADER.pack(_MAGIC, _VERSION, self.limit, self.expiry, self._slots, self._boot)
        if self._map[: _HEADER.size] != header:
            self._map[:] = bytes(self._size)
            self._map[: _HEADER.size] = header

    def _find(self, high: int, low: int, bases: tuple[int, ...]) -> int:
        """The slot of the fingerprint, 0 if it has none."""
        words = self._words
        for base in bases:
            if words[base] == high and words[base + 1] == low and words[base + 2] < self._ring:
                return base
        return 0

    def _claim(self, high: int, low: int, bases: tuple[int, ...], now: float) -> int:
        """Blank the slot whose last hit is the oldest, and give it to the fingerprint."""
        base = min(bases, key=lambda candidate: self._last_hit(candidate, now))
        self._erase(base)
        self._words[base] = high
        self._words[base + 1] = low
        return base

    def _erase(self, base: int) -> None:
        self._bytes[base * _WORD : (base + self._stride) * _WORD] = self._blank_slot

    def _last_hit(self, base: int, now: float) -> float:
        """When the slot was last hit; 0 for one that never was or is damaged."""
        head = self._words[base + 2]
        if head >= self._ring:
            return 0.0
        last = self._times[base + _SLOT_HEAD + (head or self._ring) - 1]
        return last if last <= now else 0.0

    def _count(self, base: int, now: float) -> tuple[float, int]:
        head, first = self._words[base + 2], base + _SLOT_HEAD

        def hit_at(place: int) -> float:
            return self._times[first + (head + place) % self._ring]

        # From the place after the spare one, which is the oldest hit, to the newest.
        oldest = bisect_left(range(self._ring), max(now - self.expiry, _EARLIEST), 1, key=hit_at)
        return (now - hit_at(oldest), self._ring - oldest) if oldest < self._ring else (0.0, 0)


def _place(boot: bytes, slots: int, stride: int, key: str) -> tuple[int, int, tuple[int, ...]]:
    """The fingerprint of `key`, and the first words of the slots it may live in.

    The boot id keys the hash: an outsider cannot choose keys that push a given other key out.
    """
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32, key=boot)
    high, low, start, step = struct.unpack("=4Q", digest.digest())
    places = ((start + probe * (step | 1)) % slots for probe in range(_PROBES))
    return high, low, tuple(_HEADER.size // _WORD + place * stride for place in places)


def _allocate(descriptor: int, size: int) -> None:
    """Give the file its size, with the disk blocks for it.

    A hole in a mapped file kills the process (SIGBUS) that writes there when the disk is full.
    """
    present = os.fstat(descriptor).st_size
    try:
        if sys.platform == "darwin":  # which has no posix_fallocate
            os.pwrite(descriptor, bytes(max(0, size - present)), present)
        else:
            os.posix_fallocate(descriptor, 0, size)
    except OSError:
        if present < size:
            os.ftruncate(descriptor, 0)
        raise
