"""What a process does besides answering: small jobs, each at its own pace, in two threads."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from rybbit import clock
from rybbit.locks import register_forkable

logger = logging.getLogger(__name__)

_STOP_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done again and again, so many seconds apart."""

    name: str
    seconds: float
    run: Callable[[], object]


class Background:
    """A thread that runs jobs; a job that fails is logged and tried again at its next time."""

    def __init__(self, name: str, jobs: list[Job]) -> None:
        self._name = name
        self._jobs = jobs
        self._reset()
        register_forkable(self)

    def _reset(self) -> None:
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._stopping = threading.Event()

    def reset_after_fork(self) -> None:
        """Threads do not survive a fork; the child starts its own when it is asked to."""
        self._reset()

    def start(self) -> None:
        """Start the thread, unless it runs or was stopped."""
        if self._thread is not None:
            return
        with self._start_lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread after the job it is at."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        due = {job.name: clock.monotonic() + job.seconds for job in self._jobs}
        pause = min(job.seconds for job in self._jobs)
        while not self._stopping.wait(pause):
            for job in self._jobs:
                if clock.monotonic() >= due[job.name] and not self._stopping.is_set():
                    self._run_job(job)
                    due[job.name] = clock.monotonic() + job.seconds

    def _run_job(self, job: Job) -> None:
        try:
            job.run()
        except Exception:
            # The jobs keep the server healthy; one that fails must not take the others along.
            logger.exception("Background job %s failed; it is tried again", job.name)
