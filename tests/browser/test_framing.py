"""Pages of others cannot show ours inside of theirs, where people would click on what they do not see."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import Watch
from tests.browser.server import Server

REFUSED = "chrome-error://chromewebdata/"


class _Foreign(BaseHTTPRequestHandler):
    """Frames the address that follows the question mark."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        frame = f"<iframe src='{self.path.partition('?')[2]}'></iframe>"
        # It has an icon, so that browsers ask for none.
        self.wfile.write(f"<link rel='icon' href='data:,'>{frame}".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def foreign() -> Iterator[str]:
    """A page of another origin on this machine: pages from elsewhere may not ask for anything here at all."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Foreign) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/login", "/account", "/sites", "/docs/api", "/nothing-here"])
def test_a_frame_stays_empty(owner_page: Page, server: Server, watch: Watch, foreign: str, path: str) -> None:
    watch.allow("status of 404")
    watch.allow("frame-ancestors")
    assert _framed(owner_page, foreign, f"{server.url}{path}") == REFUSED
    # It is the page that does not want to be there, not the browser.
    data = f"{server.url}/api/version"
    assert _framed(owner_page, foreign, data) == data
    assert all(url.startswith(foreign) for url in watch.foreign)
    watch.foreign.clear()


def _framed(page: Page, foreign: str, address: str) -> str:
    """Where a frame ends up that a foreign page opens on an address."""
    page.goto(f"{foreign}?{address}")
    [frame] = page.main_frame.child_frames
    return frame.url
