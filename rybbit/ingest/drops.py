"""Counting the events that are not stored: in memory, written within a second."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from rybbit import clock
from rybbit.locks import register_forkable
from rybbit.models import Reason

DropKey = tuple[int, str, str, datetime]


class DropCounter:
    """Counts by site, reason, rule and hour; `write` adds counts to the control database."""

    def __init__(self, write: Callable[[Mapping[DropKey, int]], None]) -> None:
        self._write = write
        self._reset()
        register_forkable(self)

    def _reset(self) -> None:
        self._counts: Counter[DropKey] = Counter()
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def reset_after_fork(self) -> None:
        """Leave the parent's counts to the parent."""
        self._reset()

    def add(self, site_id: int, reason: Reason, rule: str = "", *, count: int = 1) -> None:
        """Count events of a site that fell to a rule just now."""
        hour = clock.now().replace(minute=0, second=0, microsecond=0)
        with self._lock:
            self._counts[site_id, reason, rule, hour] += count

    def flush(self) -> None:
        """Write what was counted until now; if that fails, it stays counted for the next time.

        Waits for a write that another thread is at, so that all is written when this returns.
        """
        with self._writing:
            with self._lock:
                counts, self._counts = self._counts, Counter()
            if not counts:
                return
            try:
                self._write(counts)
            except BaseException:
                with self._lock:
                    self._counts.update(counts)
                raise
