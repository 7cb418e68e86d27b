"""`python -m tests.bench.page_bench [NAME …]`: what each page costs, or each of those with these names.

Its weight over the wire with an empty cache, the server's time at one connection, and the time until Chromium
on this machine paints something: the last two as medians.
"""

import argparse
import http.client
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

from tests.browser.chromium import running_browser
from tests.browser.pages import PAGES, Shown
from tests.browser.stage import Stage, staged
from tests.browser.weight import load_anew

MOST_SERVER_MS = 15
MOST_PAINT_MS = 300

_WARM_UP = 5


@dataclass(frozen=True)
class Cost:
    """What a page costs."""

    shown: Shown
    kilobytes: float
    requests: int
    server_ms: float
    paint_ms: float

    def missed(self) -> str:
        """The goals that it misses, in words; "" if there is none."""
        goals = {
            "weight": self.kilobytes > self.shown.most_kilobytes,
            "server": self.server_ms > MOST_SERVER_MS,
            "paint": self.paint_ms > MOST_PAINT_MS,
        }
        return ", ".join(name for name, is_missed in goals.items() if is_missed)

    def __str__(self) -> str:
        missed = f"   misses: {self.missed()}" if self.missed() else ""
        return (
            f"{self.shown.name:30} {self.kilobytes:6.1f} KB in {self.requests}"
            f"   server {self.server_ms:6.1f} ms   first paint {self.paint_ms:5.0f} ms{missed}"
        )


def measure(browser: Browser, stage: Stage, shown: Shown, *, requests: int, loads: int) -> Cost:
    """Bring a page into its state, and load it again and again."""
    server = stage.server(shown.kind)
    context = browser.new_context(base_url=server.url, storage_state=stage.state(browser, shown.who))
    try:
        page = context.new_page()
        shown.open(page, server)
        found = [load_anew(browser, page) for _ in range(loads)]
        server_ms = _time_of(_asker(page), requests)
    finally:
        context.close()
    paint_ms = statistics.median(load.first_paint_ms for load in found)
    return Cost(shown, found[0].kilobytes, found[0].requests, server_ms, paint_ms)


def _asker(page: Page) -> Callable[[], None]:
    """Asks for the page as its browser does, over a connection that stays open."""
    address = urlsplit(page.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies())
    path = f"{address.path}?{address.query}" if address.query else address.path

    def ask() -> None:
        connection.request("GET", path, headers={"Cookie": cookies, "Accept-Encoding": "gzip"})
        connection.getresponse().read()

    return ask


def _time_of(ask: Callable[[], None], requests: int) -> float:
    times = []
    for _ in range(_WARM_UP + requests):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[_WARM_UP:])


def main() -> None:
    """Print the figures; fail if a page misses a goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--loads", type=int, default=5)
    arguments = parser.parse_args()
    costs = []
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage, running_browser() as browser:
        for shown in PAGES:
            if not arguments.names or shown.name in arguments.names:
                costs.append(
                    measure(browser, stage, shown, requests=arguments.requests, loads=arguments.loads)
                )
                print(costs[-1], flush=True)
    missed = [cost for cost in costs if cost.missed()]
    if missed:
        raise SystemExit(f"{len(missed)} of {len(costs)} pages miss a goal")


if __name__ == "__main__":
    main()
