"""The losses of one process on their way to the inspector: in memory, then in the file of all workers.

Taking one in is a few references; everything that costs time (masking, device, place, the disk) is done
within a second by a background job, for those only that can still be shown. So a flood costs its senders'
requests next to nothing: of each site and reason the newest are kept, a process holds a bounded number, and
spends a bounded time on them.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterator
from itertools import zip_longest

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.ingest.loss_rows import LossDescriber
from rybbit.ingest.losses import Loss
from rybbit.locks import register_forkable
from rybbit.store.unkept import Unkept, UnkeptFile

logger = logging.getLogger(__name__)

_MOST_OF_A_REASON = 100
_MOST = 1_000
# Of every half second, so much goes into telling; hostile bodies take a millisecond each.
_BUDGET_SECONDS = 0.1
_ALWAYS = 50
_WARN_SECONDS = 60.0


class Inspector:
    """Collects losses of one process; safe for any number of threads."""

    def __init__(self, file: UnkeptFile, describer: LossDescriber) -> None:
        self._file = file
        self._describer = describer
        self._warn_at = 0.0
        self._reset()
        register_forkable(self)

    def _reset(self) -> None:
        self._waiting: dict[tuple[int, str], deque[Loss]] = {}
        self._size = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def reset_after_fork(self) -> None:
        """Leave the parent's losses to the parent."""
        self._reset()

    def add(self, loss: Loss) -> None:
        """See `Watcher.add`; where too many wait, the oldest of its kind goes, or one of the largest kind."""
        with self._lock:
            kind = self._waiting.setdefault((loss.site.site_id, loss.reason), deque())
            kind.append(loss)
            if len(kind) > _MOST_OF_A_REASON:
                kind.popleft()
            elif self._size >= _MOST:
                self._drop_one(kind)
            else:
                self._size += 1

    def _drop_one(self, newest: deque[Loss]) -> None:
        # Who has others waiting gives one of its own; looking for the largest is for newcomers alone.
        kind = newest if len(newest) > 1 else max(self._waiting.values(), key=len)
        kind.popleft()

    def flush(self) -> None:
        """Write what waits; what cannot be written is not recorded, and one log line a minute says so."""
        with self._writing:
            with self._lock:
                waiting, self._waiting, self._size = self._waiting, {}, 0
            if not waiting:
                return
            rows = list(self._describe_fairly(list(waiting.values())))
            # Turned round first, so that those of one millisecond stay in their order.
            rows.reverse()
            rows.sort(key=lambda row: row.received_ms)
            try:
                self._file.write(rows)
            except Unavailable as error:
                self._warn(error, len(rows))

    def _describe_fairly(self, kinds: list[deque[Loss]]) -> Iterator[Unkept]:
        """The rows of losses, the newest of each kind first, until their time is over."""
        turns = zip_longest(*(reversed(kind) for kind in kinds))
        losses = [loss for turn in turns for loss in turn if loss is not None]
        end = clock.monotonic() + _BUDGET_SECONDS
        for number, loss in enumerate(losses):
            if number >= _ALWAYS and clock.monotonic() > end:
                self._warn(Unavailable("Too many at once"), len(losses) - number)
                return
            row = self._described(loss)
            if row is not None:
                yield row

    def _described(self, loss: Loss) -> Unkept | None:
        try:
            return self._describer.describe(loss)
        except Unavailable as error:
            self._warn(error, 1)
        except Exception:
            # It came from outside; whatever is odd about it must not cost the others their place.
            logger.exception("A refused event cannot be shown")
        return None

    def _warn(self, error: Unavailable, count: int) -> None:
        if clock.monotonic() >= self._warn_at:
            self._warn_at = clock.monotonic() + _WARN_SECONDS
            logger.warning("%d refused events are not in the inspector: %s", count, error)
