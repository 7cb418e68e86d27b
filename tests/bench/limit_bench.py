"""What one rate limit costs: `python -m tests.bench.limit_bench [--seconds N] [--uri URI]`.

Prints the cost of a hit for one thread alone, then hits a second over two processes of eight threads,
first with nothing else to do, then with some Python work between two hits, as a request has, and last
the same work without a limit.
"""

import argparse
import itertools
import multiprocessing
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from limits import RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter

from rybbit.limits import TrackLimiter, make_storage

PROCESSES = 2
THREADS = 8


@dataclass(frozen=True)
class Load:
    """What each thread does: which limit over how many keys, and how long it works between two hits."""

    folder: Path
    uri: str
    seconds: float
    limit: int
    keys: int
    work: int = 0
    limited: bool = True


@dataclass(frozen=True)
class Outcome:
    """How many hits were asked for, how many were let through, and the slowest hundredth in ms."""

    hits: int
    passed: int
    p99: float


def make_limiter(load: Load) -> TrackLimiter:
    """The limiter as the server has it."""
    strategy = MovingWindowRateLimiter(make_storage(load.uri, load.folder))
    return TrackLimiter(RateLimitItemPerSecond(load.limit) if load.limited else None, strategy)


def hammer(limiter: TrackLimiter, load: Load, outcomes: list[Outcome]) -> None:
    """Hit the keys in turn until the time is over."""
    keys = itertools.cycle([f"rb_{number:032x}" for number in range(load.keys)])
    end = time.monotonic() + load.seconds
    hits = passed = 0
    waits: list[float] = []
    while time.monotonic() < end:
        sum(range(load.work))
        started = time.perf_counter()
        passed += not limiter.hit(next(keys))
        waits.append(time.perf_counter() - started)
        hits += 1
    waits.sort()
    outcomes.append(Outcome(hits, passed, waits[len(waits) * 99 // 100] * 1000))


def run_process(load: Load, start: Barrier, results: "Queue[list[Outcome]]") -> None:
    """One worker: all its threads at once."""
    limiter = make_limiter(load)
    limiter.hit("warm-up")
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=hammer, args=(limiter, load, outcomes)) for _ in range(THREADS)]
    start.wait()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(outcomes)


def run_processes(load: Load) -> Outcome:
    """All workers at once, each started anew."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES)
    results: Queue[list[Outcome]] = context.Queue()
    workers = [context.Process(target=run_process, args=(load, start, results)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    outcomes = [outcome for _ in workers for outcome in results.get()]
    for worker in workers:
        worker.join()
    return Outcome(
        sum(outcome.hits for outcome in outcomes),
        sum(outcome.passed for outcome in outcomes),
        max(outcome.p99 for outcome in outcomes),
    )


def print_alone(load: Load) -> None:
    """Microseconds a hit, one thread and nobody else."""
    limiter = make_limiter(load)
    keys = [f"rb_{number:032x}" for number in range(load.keys)]
    for key in keys:
        limiter.hit(key)
    keys *= max(1, 200_000 // load.keys)
    started = time.perf_counter()
    for key in keys:
        limiter.hit(key)
    spent = time.perf_counter() - started
    rate = f"{len(keys) / spent:9,.0f} hits/s"
    print(
        f"1 thread alone      {describe(load)}  {rate}  {spent / len(keys) * 1e6:5.1f} us a hit", flush=True
    )


def print_together(load: Load) -> None:
    """Hits a second over all processes, and how many came through against what may."""
    outcome = run_processes(load)
    rate = f"{outcome.hits / load.seconds:9,.0f} hits/s  p99 {outcome.p99:6.2f} ms"
    print(
        f"{PROCESSES} proc x {THREADS} threads  {describe(load)}  {rate}  {judge(load, outcome)}", flush=True
    )


def judge(load: Load, outcome: Outcome) -> str:
    """Whether the run kept the limit; it touches one second more than it lasts."""
    most = load.limit * load.keys * (int(load.seconds) + 1)
    if not load.limited:
        return ""
    verdict = "ok" if outcome.passed <= most else "TOO MANY"
    return f"{outcome.passed:,} passed, at most {most:,}: {verdict}"


def describe(load: Load) -> str:
    """The load in a few words of fixed width."""
    limit = f"{load.limit}/s" if load.limited else "no limit"
    return f"{load.keys:4} keys  {limit:>8}  work {load.work:5}"


def loads(folder: Path, uri: str, seconds: float, *, work: int) -> list[Load]:
    """Mostly refused and all let through, over one key and over many."""
    cases = [(1, 20), (1, 1000), (500, 20), (500, 1000)]
    return [Load(folder, uri, seconds, limit, keys, work) for keys, limit in cases]


def main() -> None:
    """Run all loads and print a line each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--uri", default="", help="another storage of the limits library, such as memory://")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        idle = loads(Path(name), chosen.uri, chosen.seconds, work=0)
        busy = loads(Path(name), chosen.uri, chosen.seconds, work=5000)
        for load in idle:
            print_alone(load)
        for load in [*idle, *busy, replace(busy[-1], limited=False)]:
            print_together(load)


if __name__ == "__main__":
    main()
