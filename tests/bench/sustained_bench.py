"""`python -m tests.bench.sustained_bench`: minutes of full load with the mover and compaction running.

Prints, window by window, the rate, the size of the journal, the memory of the workers and the table, and
at the end the ratio to a short run before, and whether every acknowledged event can be read.
"""

import argparse
import statistics

from tests.bench.server import Server, serving
from tests.bench.track_bench import event_bodies
from tests.bench.wrk import run_wrk

_WARM_UP_SECONDS = 2
_SHORT_SECONDS = 10


def journal_megabytes(server: Server) -> float:
    """What the mover has still to do."""
    total = 0
    for path in (server.folder / "journal").glob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total / 1e6


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=30)
    arguments = parser.parse_args()
    rates = []
    with serving(keys=2_000, environment={"RYBBIT_COMPACT_FILES": "16"}) as server:
        bodies = event_bodies(server, 200_000, visitors=50_000)
        url = f"{server.url}/api/track"
        acknowledged = run_wrk(url, bodies, connections=64, seconds=_WARM_UP_SECONDS).successes
        short = run_wrk(url, bodies, connections=64, seconds=_SHORT_SECONDS)
        acknowledged += short.successes
        print(f" short  {short}", flush=True)
        for window in range(arguments.windows):
            figures = run_wrk(url, bodies, connections=64, seconds=arguments.seconds)
            acknowledged += figures.successes
            rates.append(figures.rate)
            files = len(list((server.folder / "events").glob("*.parquet")))
            memory = " ".join(f"{mb:.0f}" for mb in server.worker_memory())
            state = f"journal {journal_megabytes(server):5.1f} MB   files {files:3}   workers {memory} MB"
            print(f"{(window + 1) * arguments.seconds:4} s  {figures}   {state}", flush=True)
        whole, least = statistics.mean(rates) / short.rate, min(rates) / short.rate
        print(f"ratio to the short run: {whole:.2f}, slowest window {least:.2f}")
        overview = server.get(f"/api/sites/{server.site_id}/overview")["data"]
        # wrk does not count the answers that were under way when it stopped, at most one a connection.
        unseen = 64 * (arguments.windows + 2)
        surplus = overview["pageviews"] - acknowledged
        verdict = "all there" if 0 <= surplus <= unseen else "LOST OR DOUBLED"
        print(f"acknowledged about {acknowledged:,.0f}, readable {overview['pageviews']:,}: {verdict}")


if __name__ == "__main__":
    main()
