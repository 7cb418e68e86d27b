"""The losses of one process on their way to the inspector: in memory, then in the file of all workers.

Taking one in is a few references; everything that costs time (masking, device, place, the disk) is done
within a second by a background job, for those only that can still be shown. So a flood costs its senders'
requests next to nothing: of each site and reason the newest are kept, and a process holds a bounded number.
"""

import logging
import threading
from collections import deque

from rybbit import clock
from rybbit.errors import Unavailable
from rybbit.ingest.loss_rows import LossDescriber
from rybbit.ingest.losses import Loss
from rybbit.locks import register_forkable
from rybbit.store.unkept import Unkept, UnkeptFile

logger = logging.getLogger(__name__)

_MOST_OF_A_REASON = 100
_MOST = 1_000
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
            losses = [loss for kind in waiting.values() for loss in kind]
            if not losses:
                return
            losses.sort(key=lambda loss: loss.source.received_ms)
            try:
                self._file.write([row for loss in losses if (row := self._described(loss)) is not None])
            except Unavailable as error:
                self._warn(error, len(losses))

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
