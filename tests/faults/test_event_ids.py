"""An event that is sent again, at once or after a crash, is stored once and always acknowledged."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import Sender, stored_ids
from tests.faults.server import PATIENCE, Instance, serving, wait_until

SUCCESS = [200, {"success": True}]


def _send_at_once(
    site: Instance, ports: list[int], rounds: list[list[str]], answers: list[tuple[str, int, Any]]
) -> None:
    """Send the events of each round over all connections in the same moment, until a connection breaks.

    `answers` gets every event id with the status and the body of its answer.
    """
    together = threading.Barrier(len(ports), timeout=PATIENCE)

    def run(port: int) -> None:
        sender = Sender(site, port)
        with suppress(threading.BrokenBarrierError):
            for event_ids in rounds:
                together.wait()
                for event_id in event_ids:
                    answers.append((event_id, *sender.track(event_id)))
                    if answers[-1][1] == 0:
                        together.abort()
        sender.close()

    threads = [threading.Thread(target=run, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)


def _all_acknowledged(site: Instance, ports: list[int], rounds: list[list[str]]) -> bool:
    """Send as `_send_at_once`; whether every single answer was a success."""
    answers: list[tuple[str, int, Any]] = []
    _send_at_once(site, ports, rounds, answers)
    wanted = Counter(event_id for event_ids in rounds for event_id in event_ids for _ in ports)
    return wanted == Counter(event_id for event_id, *answer in answers if answer == SUCCESS)


def _batch(site: Instance, event_ids: list[str]) -> dict[str, Any]:
    return {
        "site_id": str(site.site_id),
        "api_key": site.tracking_key,
        "events": [{"event_id": event_id} for event_id in event_ids],
    }


def test_same_id_at_once(site: Instance) -> None:
    """Twelve connections to the workers of two servers; each event is stored once, eleven are counted."""
    rounds = [[f"same-{number}"] for number in range(60)]
    with serving(site) as first, serving(site) as second:
        assert _all_acknowledged(site, [first.port, second.port] * 6, rounds)
        assert Counter(first.event_ids()) == {f"same-{number}": 1 for number in range(60)}
        path = f"/api/sites/{site.site_id}/drops"
        counted: Counter[str] = Counter()

        def is_counted() -> bool:
            counted.clear()
            for row in second.get(path)["data"]:
                counted[row["reason"]] += row["count"]
            return counted == {"duplicate": 60 * 11}

        wait_until(is_counted, f"the doubles are counted; so far {counted}")


def test_same_id_in_batches(site: Instance) -> None:
    """Batches that share events, one of which holds an event twice."""
    event_ids = [f"event-{number}" for number in range(50)]
    with serving(site) as server:
        sender = Sender(site, server.port)
        batches = [event_ids[:30] + event_ids[:5], event_ids[20:], event_ids]
        for batch in batches:
            status, body, _ = sender.post("/api/track/batch", _batch(site, batch))
            assert (status, body["success"], body["accepted"]) == (200, True, len(batch))
        sender.close()
        assert sorted(server.event_ids()) == sorted(event_ids)


@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_sent_again_after_a_crash(site: Instance, point: str) -> None:
    """The writer dies with a batch; its client sends the same once more, to two workers at once."""
    event_ids = [f"event-{number}" for number in range(40)]
    script = Path(__file__).with_name("dying_writer.py")
    environment = os.environ | {"RYBBIT_INSTANCE_PATH": str(site.folder)}
    for number in (10, 40):
        command = [sys.executable, str(script), point, json.dumps(_batch(site, event_ids[:number]))]
        assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    with serving(site) as server:
        assert _all_acknowledged(site, [server.port] * 6, [event_ids])
        assert sorted(server.event_ids()) == sorted(event_ids)
        assert server.stop() == 0
    assert sorted(stored_ids(site)) == sorted(event_ids)


def test_sent_again_after_kill(site: Instance) -> None:
    """Everything is killed while answers are under way; all is sent again, acknowledged or not."""
    rounds = [[f"event-{turn}-{number}" for number in range(10)] for turn in range(10_000)]
    answers: list[tuple[str, int, Any]] = []
    with serving(site) as server:
        sending = threading.Thread(target=_send_at_once, args=(site, [server.port] * 6, rounds, answers))
        sending.start()
        wait_until(lambda: len(answers) > 600, "events are answered")
        server.kill_all()
        sending.join(PATIENCE)
        sent = sorted({event_id for event_id, *_ in answers})
        assert any(answer == [0, {}] for _, *answer in answers)
        server.start().wait()
        assert _all_acknowledged(site, [server.port] * 2, [sent])
        assert sorted(server.event_ids()) == sent
