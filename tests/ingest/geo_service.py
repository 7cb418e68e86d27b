"""MaxMind's download service on this machine, which behaves or misbehaves as a test wants it."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MEMBER = "GeoLite2-City_20260101/GeoLite2-City.mmdb"


@dataclass
class Service:
    """What the server answers by path, and what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def offer(self, archive: bytes, *, checksum: str | None = None, edition: str = "GeoLite2-City") -> None:
        """Serve an archive with its checksum, or with another one."""
        path = f"/geoip/databases/{edition}/download?suffix=tar.gz"
        digest = hashlib.sha256(archive).hexdigest() if checksum is None else checksum
        self.answers[path] = (200, {}, archive)
        self.answers[path + ".sha256"] = (200, {}, f"{digest}  {edition}_20260101.tar.gz\n".encode())


@contextmanager
def running_service(service: Service) -> Iterator[Service]:
    """The service with its address, for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.requests.append((self.path, self.headers.get("Authorization", "")))
            status, headers, body = service.answers.get(self.path, (404, {}, b"nothing here"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def archive_of(*members: tuple[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None) -> bytes:
    """A packed archive of files by name, each header changed at will."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if change is not None:
                change(member)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
