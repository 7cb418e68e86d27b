"""The file of moving windows: exact over threads and processes, and unimpressed by damage."""

import math
import multiprocessing
import os
import signal
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerDay, RateLimitItemPerSecond

from rybbit import clock, limit_storage
from rybbit.limits import SharedStorage, shared_uri
from rybbit.locks import FileLock
from tests.limit_tools import Hands, only_file, passes, shared

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands().install(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "it's 100 % full? #ü" / "limits"


# The window


def test_the_window_moves_with_every_hit(folder: Path, hands: Hands) -> None:
    limiter, rate = shared(folder), RateLimitItemPerSecond(3, 10)
    answers = []
    for seconds in (0, 4, 8, 9.9, 10, 10.001, 14, 14.001, 14.002):
        hands.seconds = 1000.0 + seconds
        answers.append(limiter.hit(rate, "key"))
    assert answers == [True, True, True, False, False, True, False, True, False]


STEPS = st.tuples(
    st.sampled_from("abc"), st.integers(1, 4), st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.75, 3.0, 3.25, 50.0])
)


@settings(max_examples=200, deadline=None)
@given(limit=st.integers(1, 5), steps=st.lists(STEPS, max_size=60))
def test_every_answer_is_that_of_a_plain_list(
    tmp_path_factory: pytest.TempPathFactory, limit: int, steps: list[tuple[str, int, float]]
) -> None:
    expiry = 3
    storage = SharedStorage(shared_uri(tmp_path_factory.getbasetemp() / "plain"))
    with pytest.MonkeyPatch.context() as patch:
        hands = Hands().install(patch)
        storage.reset()
        times: dict[str, list[float]] = defaultdict(list)
        for key, amount, pause in steps:
            hands.seconds += pause
            recent = [moment for moment in times[key] if moment >= hands.seconds - expiry]
            allowed = len(recent) + amount <= limit
            assert storage.acquire_entry(key, limit, expiry, amount) is allowed
            times[key] = recent + [hands.seconds] * (amount if allowed else 0)
            assert storage.get_moving_window(key, limit, expiry)[1] == len(times[key])
    storage.close()


def test_a_machine_that_has_just_started_counts_from_nothing(folder: Path, hands: Hands) -> None:
    limiter, rate = shared(folder), RateLimitItemPerDay(2)
    hands.seconds = 0.5
    assert limiter.get_window_stats(rate, "key").remaining == 2
    assert passes(lambda: limiter.hit(rate, "key"), 1) == 1
    assert limiter.get_window_stats(rate, "key").remaining == 1
    assert passes(lambda: limiter.hit(rate, "key"), 5) == 1


def test_several_hits_at_once_count_all_or_none(folder: Path, hands: Hands) -> None:
    limiter, rate = shared(folder), RateLimitItemPerSecond(5)
    answers = [limiter.hit(rate, "key", cost=cost) for cost in (6, 0, 3, 3, -1, 2, 1, 0)]
    assert answers == [False, True, True, False, True, True, False, True]


def test_limits_and_keys_do_not_mix(folder: Path, hands: Hands) -> None:
    limiter = shared(folder)
    two, three, slow = (
        RateLimitItemPerSecond(2),
        RateLimitItemPerSecond(3),
        RateLimitItemPerSecond(2, 60),
    )
    for key in ("a", "b"):
        for rate, most in ((two, 2), (three, 3), (slow, 2)):
            assert passes(lambda rate=rate, key=key: limiter.hit(rate, key), 5) == most  # type: ignore[misc]


def test_the_statistics_are_in_wall_clock_time(folder: Path, hands: Hands) -> None:
    limiter, rate = shared(folder), RateLimitItemPerSecond(5, 10)
    first = hands.now_ms() / 1000
    for _ in range(3):
        limiter.hit(rate, "key")
        hands.seconds += 4
    assert limiter.get_window_stats(rate, "key") == pytest.approx((first + 4 + 10, 3), abs=0.002)
    assert limiter.get_window_stats(rate, "other").remaining == 5
    assert limiter.test(rate, "key", cost=3)
    assert not limiter.test(rate, "key", cost=4)


def test_hits_are_taken_back(folder: Path, hands: Hands) -> None:
    limiter, rate = shared(folder), RateLimitItemPerSecond(1)
    for key in ("a", "b"):
        limiter.hit(rate, key)
    limiter.clear(rate, "a")
    assert (limiter.hit(rate, "a"), limiter.hit(rate, "b")) == (True, False)
    assert limiter.storage.reset() == 1
    assert (limiter.hit(rate, "a"), limiter.hit(rate, "b")) == (True, True)


# Memory


def test_the_key_hit_longest_ago_gives_way(
    folder: Path, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit_storage, "_MOST_SLOTS", 8)
    limiter, rate = shared(folder), RateLimitItemPerSecond(1, 100)
    for number in range(9):
        hands.seconds += 1
        assert limiter.hit(rate, f"key {number}")
    assert not any(limiter.hit(rate, f"key {number}") for number in range(1, 9))
    assert limiter.hit(rate, "key 0")

    hands.seconds += 95  # keys 1 to 3 are free again: newcomers take their places, and nobody else's
    assert all(limiter.hit(rate, f"new {number}") for number in range(2))
    assert not any(limiter.hit(rate, f"key {number}") for number in (5, 6, 7, 8, 0))


@pytest.mark.parametrize("limit", [1, 20, 1000, 30_000])
def test_the_file_is_small_and_has_its_blocks(folder: Path, limit: int) -> None:
    shared(folder).hit(RateLimitItemPerSecond(limit), "key")
    path = only_file(folder)
    size, header = path.stat().st_size, path.read_bytes()[:64]
    assert size <= 17 * 1024 * 1024
    assert path.stat().st_blocks * 512 >= size
    path.write_bytes(header)
    os.truncate(path, size)  # as a copy made by a tool that leaves holes
    shared(folder).hit(RateLimitItemPerSecond(limit), "key")
    assert path.stat().st_blocks * 512 >= size


# Processes


def test_threads_that_interrupt_each_other_never_exceed_the_limit(folder: Path) -> None:
    limiter, rate, passed = shared(folder), RateLimitItemPerDay(5000), list[int]()

    def hit() -> None:
        passed.append(passes(lambda: limiter.hit(rate, "key"), 2000))

    threads = [threading.Thread(target=hit) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(passed) == 8
    assert sum(passed) == 5000


def hit_all_the_time(folder: Path, start: Barrier, results: "Queue[list[float]]") -> None:
    """Hit one key from four threads for two seconds; the answer is the clock's reading at each hit."""
    limiter, rate = shared(folder), RateLimitItemPerSecond(50)
    read, last, passed = clock.monotonic, threading.local(), list[float]()

    def read_and_keep() -> float:
        last.reading = read()
        return float(last.reading)

    def hit(end: float) -> None:
        while time.monotonic() < end:
            if limiter.hit(rate, "key"):
                passed.append(last.reading)

    clock.monotonic = read_and_keep
    start.wait()
    threads = [threading.Thread(target=hit, args=(time.monotonic() + 2,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(passed)


def test_four_processes_together_never_exceed_the_limit(folder: Path) -> None:
    start, results = SPAWN.Barrier(4), SPAWN.Queue()
    workers = [SPAWN.Process(target=hit_all_the_time, args=(folder, start, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    by_worker = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    times = sorted(moment for passed in by_worker for moment in passed)
    assert all(later - earlier > 1 for earlier, later in zip(times, times[50:], strict=False))
    # Nor is anybody kept out who may come in: 50 at once, and 50 a second later.
    assert len(times) >= 100


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_counts_on_with_its_parent(folder: Path) -> None:
    limiter, rate = shared(folder), RateLimitItemPerDay(10)
    assert passes(lambda: limiter.hit(rate, "key"), 3) == 3
    child = os.fork()
    if child == 0:
        os._exit(passes(lambda: limiter.hit(rate, "key"), 4))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    assert passes(lambda: limiter.hit(rate, "key"), 20) == 3


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_forked_under_the_lock_waits_its_turn(
    folder: Path, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, rate = shared(folder), RateLimitItemPerSecond(3, 60)
    limiter.hit(rate, "key")
    children: list[int] = []

    def fork_inside() -> float:
        monkeypatch.setattr(clock, "monotonic", hands.monotonic)
        children.append(os.fork())
        if children[0] == 0:
            os._exit(passes(lambda: limiter.hit(rate, "key"), 9))
        time.sleep(0.3)
        assert os.waitpid(children[0], os.WNOHANG) == (0, 0)
        return hands.seconds

    monkeypatch.setattr(clock, "monotonic", fork_inside)
    assert limiter.hit(rate, "key")
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_forked_while_the_file_is_opened_opens_its_own(folder: Path) -> None:
    rate = RateLimitItemPerDay(10)
    shared(folder).hit(rate, "key")
    lock, limiter = FileLock(only_file(folder)), shared(folder)
    with lock:
        opening = threading.Thread(target=limiter.hit, args=(rate, "key"))
        opening.start()
        time.sleep(0.1)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            os._exit(passes(lambda: limiter.hit(rate, "key"), 4))
    opening.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    assert passes(lambda: limiter.hit(rate, "key"), 20) == 4


def die_inside(folder: Path) -> None:
    limiter, rate = shared(folder), RateLimitItemPerDay(3)
    limiter.hit(rate, "key")
    read = clock.monotonic

    def die_reading() -> float:
        os.kill(os.getpid(), signal.SIGKILL)
        return read()

    clock.monotonic = die_reading
    limiter.hit(rate, "key")


def test_a_process_killed_under_the_lock_holds_nobody_up(folder: Path) -> None:
    worker = SPAWN.Process(target=die_inside, args=(folder,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    limiter, rate = shared(folder), RateLimitItemPerDay(3)
    assert passes(lambda: limiter.hit(rate, "key"), 9) == 2


# Restarts and damage


def test_a_restart_keeps_the_count_and_a_reboot_does_not(
    folder: Path, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = RateLimitItemPerDay(3)
    assert passes(lambda: shared(folder).hit(rate, "key"), 9) == 3
    monkeypatch.setattr(clock, "boot_id", lambda: "another boot")
    hands.seconds = 7.0
    assert passes(lambda: shared(folder).hit(rate, "key"), 9) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:1000],
        lambda data: b"\xff" * len(data),
        lambda data: os.urandom(len(data)),
        lambda data: b"\0" * 8 + data[8:],
        lambda data: data[:64] + b"\xff" * (len(data) - 64),
        lambda data: data[:64] + os.urandom(len(data) - 64),
        lambda data: data[:64] + b"\x01" * (len(data) - 64),
    ],
    ids=["empty", "short", "ones", "noise", "magic", "ones below", "noise below", "old below"],
)
def test_a_damaged_file_limits_as_before(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    rate = RateLimitItemPerDay(3)
    assert shared(folder).hit(rate, "key")
    path = only_file(folder)
    path.write_bytes(damage(path.read_bytes()))
    for key in ("key", *(f"key {number}" for number in range(50))):
        assert passes(lambda key=key: shared(folder).hit(rate, key), 5) == 3  # type: ignore[misc]


def test_a_file_that_is_too_long_keeps_its_count(folder: Path) -> None:
    rate = RateLimitItemPerDay(3)
    assert shared(folder).hit(rate, "key")
    path = only_file(folder)
    path.write_bytes(path.read_bytes() + b"more")
    assert passes(lambda: shared(folder).hit(rate, "key"), 9) == 2


def replace_word(path: Path, old: bytes, new: bytes) -> None:
    """Change a word in the slots of a file that is in use."""
    data = path.read_bytes()
    assert old in data[64:]
    with path.open("r+b") as file:
        file.write(data[:64] + data[64:].replace(old, new))


def test_damage_under_a_running_server_keeps_nobody_out(folder: Path) -> None:
    limiter, rate = shared(folder), RateLimitItemPerDay(3)
    limiter.hit(rate, "key")
    path = only_file(folder)
    with path.open("r+b") as file:
        file.write(b"\x7f" * path.stat().st_size)
    assert passes(lambda: limiter.hit(rate, "key"), 9) == 3


@pytest.mark.parametrize("place", [4, 1000, 2**64 - 1])
def test_a_place_outside_the_ring_is_forgotten(folder: Path, place: int) -> None:
    limiter, rate = shared(folder), RateLimitItemPerDay(3)
    assert passes(lambda: limiter.hit(rate, "key"), 2) == 2
    replace_word(only_file(folder), struct.pack("Q", 2), struct.pack("Q", place))
    assert passes(lambda: limiter.hit(rate, "key"), 9) == 3


@pytest.mark.parametrize("moment", [1e300, math.inf, math.nan, -1.0])
def test_a_time_that_cannot_be_does_not_count(
    folder: Path, hands: Hands, monkeypatch: pytest.MonkeyPatch, moment: float
) -> None:
    monkeypatch.setattr(limit_storage, "_MOST_SLOTS", 8)
    limiter, rate = shared(folder), RateLimitItemPerSecond(1, 100)
    for number in range(7):
        limiter.hit(rate, f"damaged {number}")
    hands.seconds += 1
    limiter.hit(rate, "whole")
    replace_word(only_file(folder), struct.pack("d", 1000.0), struct.pack("d", moment))
    hands.seconds += 1
    assert limiter.hit(rate, "damaged 0")
    assert all(limiter.hit(rate, f"new {number}") for number in range(6))
    assert not limiter.hit(rate, "whole")
