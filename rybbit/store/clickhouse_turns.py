"""So many questions of a process wait for ClickHouse at a time, that there is a thread left for events."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.locks import register_forkable

# Half of the threads that a worker has by default: who takes an event in needs one, too.
_AT_ONCE = 8
# A server that works ends one of them sooner, unless all are very slow.
_SILENT_SECONDS = 5
_RETRY_SECONDS = 5


class Turns:
    """Lets questions through one by one where all places are taken, and none where no place becomes free.

    A server that takes questions and answers none would keep every thread waiting, as would a network that
    swallows packets; errors come as soon as it refuses connections.
    """

    def __init__(self) -> None:
        self.reset_after_fork()
        register_forkable(self)

    def reset_after_fork(self) -> None:
        """Begin anew in the child, which has none of the threads."""
        self._changed = threading.Condition()
        self._taken = 0
        self._changed_at = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A place for as long as the context lasts.

        Raises:
            Unavailable: all are taken, and none was taken or left for some seconds.
        """
        with self._changed:
            while self._taken >= _AT_ONCE:
                self._wait()
            self._change(1)
        try:
            yield
        finally:
            with self._changed:
                self._change(-1)
                self._changed.notify()

    def _wait(self) -> None:
        left = self._changed_at + _SILENT_SECONDS - clock.monotonic()
        if left <= 0:
            message = "The event store (ClickHouse) has not answered for some seconds"
            raise Unavailable(message, retry_after=_RETRY_SECONDS)
        self._changed.wait(left)

    def _change(self, places: int) -> None:
        self._taken += places
        self._changed_at = clock.monotonic()
