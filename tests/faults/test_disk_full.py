"""No room on the disk: 503 and nothing lost; with room again it goes on by itself."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.load import Load, Sender, load_on, stored_ids
from tests.faults.server import Instance, Server, make_instance, serving, wait_until

ENVIRONMENT = {
    "RYBBIT_JOURNAL_FILE_SECONDS": "0.3",
    "RYBBIT_MOVE_SECONDS": "0.5",
    # The table of this limit would be the largest file there.
    "RYBBIT_BROWSER_RATE_LIMIT": "",
}
_SIZE = "32m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "rybbit-test", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here; test_files_cannot_grow covers the fault")
    if done.returncode:
        pytest.skip(f"mount needs root ({done.stderr.strip()}); test_files_cannot_grow covers the fault")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _fill(folder: Path) -> Path:
    """Leave not a byte of room."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def _expect_refusal(server: Server) -> None:
    """A single event is refused as the contract says, and health tells the same."""
    sender = Sender(server.instance, server.port)
    status, body, headers = sender.post("/api/track", {"site_id": str(server.instance.site_id)})
    sender.close()
    assert (status, body["success"]) == (503, False)
    assert int(headers["Retry-After"]) >= 1
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.url}/api/health")
    with refused.value as answer:
        assert (answer.status, json.load(answer)["journal"]) == (503, "failing")


def test_disk_full(small_disk: Path) -> None:
    """Twice, so that recovery is complete; readers are answered all the while."""
    site = make_instance(small_disk / "instance")
    with serving(site, environment=ENVIRONMENT) as server, load_on(site, server.port) as load:
        for _ in range(2):
            load.wait_for(200)
            ballast = _fill(small_disk)
            _wait_for_refusals(load)
            _expect_refusal(server)
            promised = set(load.acknowledged)
            assert promised <= set(server.event_ids())
            ballast.unlink()
            load.wait_for(200)
        _expect_nothing_lost(site, server, load)


def test_files_cannot_grow(site: Instance) -> None:
    """The same by a limit on the size of files, which needs no root; it is lifted in the running workers."""
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("only Linux can change the limits of a running process")

    def set_limit(size: int) -> None:
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    with serving(site, environment=ENVIRONMENT) as server, load_on(site, server.port) as load:
        workers = server.worker_pids()
        for _ in range(2):
            load.wait_for(100)
            set_limit(0)
            _wait_for_refusals(load)
            _expect_refusal(server)
            promised = set(load.acknowledged)
            assert promised <= set(server.event_ids())
            set_limit(resource.RLIM_INFINITY)
            load.wait_for(100)
        assert server.worker_pids() == workers
        _expect_nothing_lost(site, server, load)


def _wait_for_refusals(load: Load) -> None:
    wanted = load.unavailable + 100
    wait_until(lambda: load.unavailable >= wanted, "events are refused")


def _expect_nothing_lost(site: Instance, server: Server, load: Load) -> None:
    load.stop()
    load.check(server.event_ids())
    wait_until(site.is_moved, "the journal is moved")
    load.check(server.event_ids())
    # Besides those of the load there were two single events.
    wait_until(lambda: _refusals(server) == load.unavailable + 2, "the refusals are counted")
    assert server.stop() == 0
    load.check(stored_ids(site))


def _refusals(server: Server) -> int:
    rows = server.get(f"/api/sites/{server.instance.site_id}/drops")["data"]
    return sum(row["count"] for row in rows if row["reason"] == "unavailable")
