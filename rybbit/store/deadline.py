"""Questions to an engine that are given up after a time, also where it does not stop when it is told to.

An engine looks between two lots of rows whether it shall stop. A pattern that fits its texts badly can keep
it at one lot for a minute.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

from rybbit import clock
from rybbit.locks import register_forkable
from rybbit.store.base import TooBusy, TooSlow

_T = TypeVar("_T")

# Whoever waits for longer than this is told so, and what still runs is left to itself.
_GRACE_SECONDS = 0.3
# So many at once, given up or not: more of them would leave nothing for other questions.
_AT_ONCE = 2
_RETRY_SECONDS = 5


class Deadline:
    """What may take no longer than it is given; each runs in a thread of its own."""

    def __init__(self) -> None:
        self.reset_after_fork()
        register_forkable(self)

    def reset_after_fork(self) -> None:
        """Begin anew in the child, which has none of the threads."""
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def run(
        self, work: Callable[[], _T], *, seconds: float, interrupt: Callable[[], object] = lambda: None
    ) -> _T:
        """What `work` answers.

        Raises:
            TooSlow: not within so many seconds; `interrupt` was called, and `work` may still go on.
            TooBusy: others are at it, or there is no thread for it.
        """
        end = clock.monotonic() + seconds
        if not self._free.acquire(timeout=seconds):
            raise TooBusy("Others ask what takes long; ask again", retry_after=_RETRY_SECONDS)
        outcome: Future[_T] = Future()
        try:
            threading.Thread(target=self._work, args=(work, outcome), daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise TooBusy("There is no thread for this; ask again", retry_after=_RETRY_SECONDS) from error
        try:
            return outcome.result(max(0.0, end - clock.monotonic()))
        except NotYet:
            interrupt()
        try:
            return outcome.result(_GRACE_SECONDS)
        except Exception as error:
            raise TooSlow(f"A query took more than {seconds} seconds") from error

    def _work(self, work: Callable[[], _T], outcome: "Future[_T]") -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            self._free.release()
