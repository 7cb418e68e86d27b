"""How heavy a page is: everything that a browser fetches for it, which has nothing of the server yet."""

from dataclasses import dataclass

from playwright.sync_api import Browser, Page, Request


@dataclass(frozen=True)
class Load:
    """Bytes over the wire with their headers, in both directions, and how many requests they took."""

    kilobytes: float
    requests: int
    first_paint_ms: float


def load_anew(browser: Browser, page: Page) -> Load:
    """Load the address of a page in a new window of the same person, with nothing in its cache."""
    context = browser.new_context(storage_state=page.context.storage_state())
    try:
        fresh = context.new_page()
        finished: list[Request] = []
        fresh.on("requestfinished", lambda request: finished.append(request))
        fresh.goto(page.url)
        fresh.wait_for_load_state("networkidle")
        total = sum(sum(request.sizes().values()) for request in finished)
        return Load(total / 1024, len(finished), _first_paint(fresh))
    finally:
        context.close()


def _first_paint(page: Page) -> float:
    found: float = page.evaluate("performance.getEntriesByName('first-paint')[0]?.startTime ?? NaN")
    return found
