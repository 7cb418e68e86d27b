"""Exports of a server that goes on working, to clients that come and go."""

import socket
import subprocess
import sys
import time
import urllib.request

from tests.faults.load import load_on
from tests.faults.server import Instance, Server, serving, wait_until
from tests.faults.test_readers import BUSY
from tests.store.parts import REPOSITORY

PATIENCE = 60.0
EVENTS = 60_000


def fill(site: Instance) -> None:
    command = ["demo", "--site", str(site.site_id), "--events", str(EVENTS), "--days", "5"]
    subprocess.run(
        [sys.executable, "-m", "rybbit", *command],
        cwd=REPOSITORY,
        env={"RYBBIT_INSTANCE_PATH": str(site.folder), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )


def request(server: Server, form: str) -> urllib.request.Request:
    headers = {"Authorization": f"Bearer {server.instance.account_key}"}
    path = f"/api/sites/{server.instance.site_id}/export?format={form}"
    return urllib.request.Request(server.url + path, headers=headers)


def pins(site: Instance) -> list[str]:
    folder = site.folder / "events.pins"
    return [path.name for path in folder.glob("*")] if folder.exists() else []


def test_a_slow_client_gets_every_event_of_the_beginning(site: Instance) -> None:
    fill(site)
    with serving(site, workers=2, environment=BUSY) as server:
        with urllib.request.urlopen(request(server, "jsonl"), timeout=PATIENCE) as answer:
            data = answer.read(10_000)
            files = {path.name for path in (site.folder / "events").glob("*.parquet")}
            with load_on(site, server.port):
                wait_until(
                    lambda: (
                        not files & {path.name for path in (site.folder / "events").glob("merged-*")}
                        and any((site.folder / "events").glob("merged-*"))
                    ),
                    "files are merged",
                )
            while piece := answer.read(1 << 20):
                data += piece
        assert data.count(b"\n") == EVENTS
        wait_until(lambda: not pins(site), "the files are let go")


def test_a_client_that_goes_away_leaves_nothing_behind(site: Instance) -> None:
    fill(site)
    with serving(site, workers=1) as server:
        text = f"GET /api/sites/{site.site_id}/export?format=jsonl HTTP/1.1\r\nHost: x\r\n"
        text += f"Authorization: Bearer {site.account_key}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
            client.sendall(text.encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            assert len(pins(site)) == 1
            time.sleep(0.5)
        wait_until(lambda: not pins(site), "the files are let go", seconds=20)
        assert server.get("/api/health")["status"] == "ok"


def test_what_a_killed_server_pinned_is_removed_later(site: Instance) -> None:
    fill(site)
    with serving(site, workers=1) as server:
        answer = urllib.request.urlopen(request(server, "jsonl"), timeout=PATIENCE)
        answer.read(1000)
        assert len(pins(site)) == 1
        server.kill_all()
        answer.close()
        server.start().wait()
        with urllib.request.urlopen(request(server, "csv"), timeout=PATIENCE) as again:
            assert again.read().count(b"\n") == EVENTS + 1
        wait_until(lambda: not pins(site), "the files are let go")
