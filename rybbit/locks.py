"""Locks between processes, and the list of what a forked child must open anew."""

import ctypes
import fcntl
import os
import threading
import weakref
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


class Forkable(Protocol):
    """Something that holds descriptors, locks or threads which a forked child must not share."""

    def reset_after_fork(self) -> None:
        """Drop what belongs to the parent; runs in the child before anything else does."""


_forkables: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


def register_forkable(thing: Forkable) -> None:
    """Have `thing` reset in every child that this process forks, for as long as it lives."""
    _forkables.add(thing)


def leave_to_parent(thing: object) -> None:
    """Keep what a forked child inherited from ever being closed, not even at the end of the program.

    Closing it would wait for threads of the parent, or give back locks that the parent believes in.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _reset_all() -> None:
    for thing in list(_forkables):
        thing.reset_after_fork()


os.register_at_fork(after_in_child=_reset_all)


class FileLock:
    """An exclusive lock over all threads and processes that use one path; not reentrant.

    The kernel frees it when its holder dies. The file itself stays, so that two processes never
    lock two different inodes of one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.Lock()
        self._descriptor = -1
        register_forkable(self)

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take the lock; False only if `blocking` is false and somebody else holds it."""
        if not self._thread_lock.acquire(blocking=blocking):
            return False
        try:
            fcntl.flock(self.descriptor(), fcntl.LOCK_EX if blocking else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._thread_lock.release()
            return False
        except BaseException:
            self._thread_lock.release()
            raise
        return True

    def release(self) -> None:
        """Give the lock back; the caller must hold it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._thread_lock.release()

    def descriptor(self) -> int:
        """The open descriptor of the lock file, for whoever keeps a note in it under the lock."""
        if self._descriptor < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor

    def reset_after_fork(self) -> None:
        """Close the inherited descriptor: it shares the parent's lock, and would never wait for it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self._thread_lock = threading.Lock()

    close = reset_after_fork

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


# Called through PyDLL, a function of the C library keeps the GIL.
_flock = ctypes.PyDLL(None).flock
_flock.argtypes = (ctypes.c_int, ctypes.c_int)
_TRY_LOCK = fcntl.LOCK_EX | fcntl.LOCK_NB
_TRIES = 100  # some 50 microseconds, many times what a holder needs unless it was put off its processor


class QuickLock(FileLock):
    """A FileLock for sections of a few microseconds: takes the lock without letting go of the GIL.

    `fcntl.flock` lets go of it even if the lock is free, and its caller may then wait milliseconds for
    the GIL, with the lock in hand, while all threads of all processes wait for the lock.
    """

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take the lock; False only if `blocking` is false and somebody else holds it."""
        if not blocking:
            return super().acquire(blocking=False)
        self._thread_lock.acquire()
        try:
            descriptor = self.descriptor()
            for _ in range(_TRIES):
                if _flock(descriptor, _TRY_LOCK) == 0:
                    return True
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            self._thread_lock.release()
            raise
        return True

    def release(self) -> None:
        """Give the lock back; the caller must hold it."""
        _flock(self._descriptor, fcntl.LOCK_UN)
        self._thread_lock.release()
