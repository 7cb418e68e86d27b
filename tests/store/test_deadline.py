"""What takes too long is given up in time, whether or not it can be stopped."""

import threading
from collections.abc import Iterator

import pytest

from rybbit import clock
from rybbit.store.base import TooBusy, TooSlow
from rybbit.store.deadline import Deadline
from tests.store.parts import Parts, line


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """What ends everything that a test began."""
    event = threading.Event()
    yield event
    event.set()


def test_what_is_done_in_time_is_answered() -> None:
    assert Deadline().run(lambda: 5, seconds=60, interrupt=lambda: None) == 5


def test_what_goes_wrong_goes_wrong() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Deadline().run(fail, seconds=60, interrupt=lambda: None)


def test_what_can_be_stopped_is(end: threading.Event) -> None:
    def work() -> None:
        end.wait(60)
        raise InterruptedError

    with pytest.raises(TooSlow):
        Deadline().run(work, seconds=0.01, interrupt=end.set)


def test_nobody_waits_for_what_cannot_be_stopped(end: threading.Event) -> None:
    deadline = Deadline()
    began = clock.monotonic()
    for _ in range(2):
        with pytest.raises(TooSlow):
            deadline.run(lambda: end.wait(60), seconds=0.01, interrupt=lambda: None)
    # Both places are taken, which is not the fault of who comes next.
    with pytest.raises(TooBusy):
        deadline.run(lambda: 5, seconds=0.01, interrupt=lambda: None)
    assert clock.monotonic() - began < 30
    end.set()
    assert deadline.run(lambda: 5, seconds=60, interrupt=lambda: None) == 5


def test_without_a_thread_no_place_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    deadline = Deadline()
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", start)
        for _ in range(3):
            with pytest.raises(TooBusy, match="thread"):
                deadline.run(lambda: 5, seconds=60)
    assert deadline.run(lambda: 5, seconds=60) == 5


def test_of_a_store(parts: Parts) -> None:
    parts.store_line(line(1))
    endless = "select count(*) from range(10000000) a, range(10000000) b, events where a.range * b.range = -1"
    with pytest.raises(TooSlow):
        parts.store.query(endless, seconds=0.1)
    assert parts.store.query("select count(*) from events", seconds=60) == [(1,)]
