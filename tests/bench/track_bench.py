"""`python -m tests.bench.track_bench`: ingestion through `rybbit serve`, beside a minimal Flask app.

Both servers are granian with the same workers and threads; the load comes from wrk on this machine.
"""

import argparse
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from rybbit.cli.serve import DEFAULT_THREADS
from tests.bench.server import Server, children_of, cpu_seconds_of, free_port, serving, wait_for
from tests.bench.wrk import Figures, run_wrk

_WHOLE_BATCH = '^{"success": ?true, ?"accepted": ?100, ?"rejected": ?%[%], ?"filtered": ?{}}%s*$'
AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
    for version in range(100, 140)
]


def event_bodies(server: Server, count: int, *, visitors: int) -> list[dict[str, object]]:
    """Realistic pageviews of so many visitors, each with the next key."""
    random.seed(1)
    people = [
        (
            f"{random.randrange(1, 223)}.{random.randrange(256)}.{random.randrange(256)}.7",
            random.choice(AGENTS),
        )
        for _ in range(visitors)
    ]
    return [
        {
            "api_key": server.keys[index % len(server.keys)],
            "site_id": str(server.site_id),
            "type": "pageview",
            "hostname": "example.com",
            "pathname": f"/articles/{random.randrange(500)}",
            "page_title": f"An article with number {random.randrange(500)}",
            "referrer": random.choice(
                ["", "https://www.google.com/", "https://news.ycombinator.com/item?id=1"]
            ),
            "querystring": random.choice(["", "utm_source=newsletter&utm_medium=email", "page=2"]),
            "language": "en-US",
            "screenWidth": 1920,
            "screenHeight": 1080,
            "ip_address": people[index % visitors][0],
            "user_agent": people[index % visitors][1],
        }
        for index in range(count)
    ]


def batch_bodies(server: Server, count: int) -> list[dict[str, object]]:
    """Batches of a hundred events."""
    singles = event_bodies(server, 2_000, visitors=1_000)
    for single in singles:
        del single["api_key"], single["site_id"]
    return [
        {
            "api_key": server.keys[index % len(server.keys)],
            "site_id": str(server.site_id),
            "events": random.sample(singles, 100),
        }
        for index in range(count)
    ]


@contextmanager
def minimal_flask(threads: int) -> Iterator[tuple[str, int]]:
    """The yardstick on the same server; yields its address and the pid of its main process."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "tests.bench.flask_app:app", "--interface", "wsgi"),
            *("--workers", "2", "--blocking-threads", str(threads), "--port", str(port)),
            *("--no-ws", "--log-level", "error"),
        ]
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for_port(f"{url}/api/track")
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait_for_port(url: str) -> None:
    try:
        wait_for(url)
    except OSError as error:
        if getattr(error, "code", 0) != 405:
            raise


def measure(label: str, run: Callable[[], Figures], *, rounds: int) -> Figures:
    """Run several times and print the median by rate."""
    results = sorted((run() for _ in range(rounds)), key=lambda figures: figures.rate)
    median = results[len(results) // 2]
    spread = f"{results[0].rate:,.0f}-{results[-1].rate:,.0f}"
    print(f"{label:34} {median}   of {rounds} runs {spread}", flush=True)
    return median


def _with_cpu(label: str, run: Callable[[], Figures], cpu_seconds: Callable[[], float]) -> Figures:
    """Run once and print the figures with the processor time of the workers a request."""
    before = cpu_seconds()
    figures = run()
    micros = (cpu_seconds() - before) / figures.requests * 1e6
    print(f"{label:34} {figures}   {micros:4.0f} us of processor time each", flush=True)
    return figures


def compare_threads(numbers: Sequence[int], *, seconds: float, rounds: int) -> None:
    """Print what servers with so many threads a worker do, in turn, so that all meet the same machine."""
    with ExitStack() as stack:
        servers = {number: stack.enter_context(serving(keys=2_000, threads=number)) for number in numbers}
        bodies = {number: event_bodies(server, 20_000, visitors=5_000) for number, server in servers.items()}
        rates: dict[int, list[float]] = {number: [] for number in numbers}
        for number, server in servers.items():
            run_wrk(f"{server.url}/api/track", bodies[number], connections=16, seconds=2)
        for _ in range(rounds):
            for number, server in servers.items():
                figures = _with_cpu(
                    f"track, 64 connections, {number} threads",
                    partial(
                        run_wrk, f"{server.url}/api/track", bodies[number], connections=64, seconds=seconds
                    ),
                    server.cpu_seconds,
                )
                rates[number].append(figures.rate)
    medians = {number: statistics.median(rates[number]) for number in numbers}
    best = max(medians.values())
    for number, median in medians.items():
        print(f"{f'{number} threads, median':34} {median:9,.0f}/s   {median / best:.2f} of the best")


def measure_all(threads: int | None, *, seconds: float, rounds: int) -> None:
    """Print every figure of one server, beside a minimal Flask app with as many threads."""
    yardstick_threads = DEFAULT_THREADS if threads is None else threads
    with (
        serving(keys=2_000, threads=threads) as server,
        minimal_flask(yardstick_threads) as (flask_url, flask_pid),
    ):
        print(f"start to first answer: {server.start_seconds:.2f} s")
        plain = measure_plain(server, flask_url, flask_pid, seconds=seconds, rounds=rounds)
        url = f"{server.url}/api/track"
        bodies = event_bodies(server, 20_000, visitors=5_000)
        measure(
            "track, 1 connection", lambda: run_wrk(url, bodies, connections=1, seconds=seconds), rounds=rounds
        )
        many = event_bodies(server, 200_000, visitors=100_000)
        run_wrk(url, many, connections=64, seconds=25)
        with_sessions = measure(
            "track, 100,000 active sessions",
            lambda: run_wrk(url, many, connections=64, seconds=seconds),
            rounds=rounds,
        )
        print(f"{'ratio to the same with 5,000':34} {with_sessions.rate / plain:9.2f}")
        measure_batches(server, seconds=seconds, rounds=rounds)
        print("anonymous memory of the workers:", ", ".join(f"{mb:.0f} MB" for mb in server.worker_memory()))


def measure_plain(server: Server, flask_url: str, flask_pid: int, *, seconds: float, rounds: int) -> float:
    """Print the figures of both servers in turn; answers our median rate."""
    url = f"{server.url}/api/track"
    bodies = event_bodies(server, 20_000, visitors=5_000)
    run_wrk(url, bodies, connections=16, seconds=2)
    run_wrk(f"{flask_url}/api/track", bodies, connections=64, seconds=2)
    rates, ratios = [], []
    for _ in range(rounds):
        flask = _with_cpu(
            "minimal Flask, 64 connections",
            lambda: run_wrk(f"{flask_url}/api/track", bodies, connections=64, seconds=seconds),
            lambda: sum(cpu_seconds_of(pid) for pid in children_of(flask_pid)),
        )
        ours = _with_cpu(
            "track, 64 connections",
            lambda: run_wrk(url, bodies, connections=64, seconds=seconds),
            server.cpu_seconds,
        )
        rates.append(ours.rate)
        ratios.append(ours.rate / flask.rate)
    print(f"{'median ratio to minimal Flask':34} {statistics.median(ratios):9.2f}")
    return statistics.median(rates)


def measure_batches(server: Server, *, seconds: float, rounds: int) -> None:
    """Print the figures of batches."""
    batches = batch_bodies(server, 500)
    batch = measure(
        "batches of 100, 16 connections",
        lambda: run_wrk(
            f"{server.url}/api/track/batch", batches, connections=16, seconds=seconds, expected=_WHOLE_BATCH
        ),
        rounds=rounds,
    )
    print(f"{'events in batches':34} {100 * batch.rate:9,.0f}/s")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--threads", type=int, nargs="+", help="Of each worker; several are compared, and nothing else."
    )
    arguments = parser.parse_args()
    threads = arguments.threads or [None]
    if len(threads) > 1:
        compare_threads(threads, seconds=arguments.seconds, rounds=arguments.rounds)
    else:
        measure_all(threads[0], seconds=arguments.seconds, rounds=arguments.rounds)


if __name__ == "__main__":
    main()
