"""Readers see every acknowledged event at once and none twice, while events arrive, move and are merged."""

import threading
from contextlib import ExitStack

import pytest

from tests.faults.load import Load, load_on, stored_ids
from tests.faults.server import PATIENCE, Instance, Server, serving, wait_until

BUSY = {
    "RYBBIT_JOURNAL_FILE_SECONDS": "0.1",
    "RYBBIT_MOVE_SECONDS": "0.2",
    "RYBBIT_COMPACT_FILES": "2",
}
_MERGES = 4
_LOOKS = 20


class Reader(threading.Thread):
    """Asks one server for the number of events again and again, and notes what cannot be."""

    def __init__(self, server: Server, load: Load) -> None:
        super().__init__()
        self.looks = 0
        self.wrong: list[str] = []
        self._server = server
        self._load = load
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look until told to stop, or until something is wrong."""
        last = 0
        path = f"/api/sites/{self._server.instance.site_id}/overview"
        while not self._stopping.is_set() and not self.wrong:
            least = len(self._load.acknowledged)
            try:
                count = self._server.get(path)["data"]["pageviews"]
            except OSError as error:
                self.wrong.append(f"no answer: {error!r}")
                break
            most = len(self._load.sent)
            if not max(least, last) <= count <= most:
                self.wrong.append(f"{count} events, of {least} to {most}, after {last}")
            last = count
            self.looks += 1

    def stop(self) -> None:
        """End the loop and wait for it."""
        self._stopping.set()
        self.join(PATIENCE)


@pytest.mark.parametrize(("servers", "workers"), [(1, 4), (2, 2)], ids=["four workers", "two servers"])
def test_count_is_exact(site: Instance, servers: int, workers: int) -> None:
    with ExitStack() as stack:
        running = [
            stack.enter_context(serving(site, workers=workers, environment=BUSY)) for _ in range(servers)
        ]
        load = stack.enter_context(load_on(site, *(server.port for server in running)))
        readers = [Reader(server, load) for server in running * (2 // servers)]
        for reader in readers:
            reader.start()
        wait_until(lambda: _is_enough(running, readers), "files are merged under the eyes of readers")
        for reader in readers:
            reader.stop()
        load.stop()
        assert [reader.wrong for reader in readers] == [[], []]
        for server in running:
            load.check(server.event_ids())
            assert server.stop() == 0
    load.check(stored_ids(site))


def _is_enough(servers: list[Server], readers: list[Reader]) -> bool:
    if any(reader.wrong for reader in readers):
        return True
    merges = sum(server.log().count("Merged") for server in servers)
    return merges >= _MERGES and all(reader.looks >= _LOOKS for reader in readers)
