"""What the workers of one server have in common, each of them asked by a connection of its own."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.faults.server import Instance, Server, serving, wait_until
from tests.faults.workers import Worker, every_worker

_LIMIT = 100
_EACH = 50


def _track(worker: Worker, site: Instance) -> int:
    event = {"site_id": str(site.site_id), "type": "pageview", "pathname": "/", "user_id": "anna"}
    return worker.ask("POST", "/api/track", event, key=site.tracking_key).status


def _overview(server: Server) -> dict[str, float]:
    found: dict[str, float] = server.get(f"/api/sites/{server.instance.site_id}/overview")["data"]
    return found


def test_the_limit_of_a_key_is_one_for_all(site: Instance) -> None:
    environment = {"RYBBIT_TRACK_RATE_LIMIT": f"{_LIMIT}/hour"}
    with serving(site, workers=4, environment=environment) as server:
        with every_worker(server) as workers, ThreadPoolExecutor(4) as pool:
            assert len(workers) == 4
            found = pool.map(lambda worker: [_track(worker, site) for _ in range(_EACH)], workers)
            statuses = Counter(status for each in found for status in each)
        assert statuses == {200: _LIMIT, 429: 4 * _EACH - _LIMIT}
        assert _overview(server)["pageviews"] == _LIMIT
        server.kill_all()
        server.start().wait()
        with every_worker(server) as workers:
            assert [_track(worker, site) for worker in workers] == [429] * 4


def test_a_session_goes_on_in_any_worker(site: Instance) -> None:
    with serving(site, workers=4) as server:
        before = set(server.worker_pids())
        with every_worker(server) as workers:
            assert [_track(worker, site) for worker in workers] == [200] * 4
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(set(server.worker_pids()) - {killed}) == 4, "another one takes its place")
        with every_worker(server) as workers:
            assert [_track(worker, site) for worker in workers] == [200] * 4
        figures = _overview(server)
        assert (figures["pageviews"], figures["sessions"], figures["users"]) == (8, 1, 1)
