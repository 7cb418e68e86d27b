"""What cannot be stored is answered with 503, is counted, and is never acknowledged."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.web.world import Sender, World, broken_database, broken_journal, running

ACCEPTED = {"success": True}


@pytest.fixture
def world(tmp_path: Path, migrated_file: Path) -> Iterator[World]:
    """An app of the test's own: these tests break it."""
    with running(
        tmp_path / "instance", migrated_file, RYBBIT_JOURNAL_QUEUE=3, RYBBIT_JOURNAL_FILE_SECONDS=3600
    ) as world:
        yield world


def _assert_unavailable(answer: TestResponse, error: str) -> None:
    assert (answer.status_code, answer.json) == (503, {"success": False, "error": error})
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_journal_that_cannot_be_written(
    world: World, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    assert sender.send(event_id="before").json == ACCEPTED
    with broken_journal(world):
        for _ in range(2):
            _assert_unavailable(sender.send(event_id="after"), "Events cannot be stored at the moment")
        body = {"events": [sender.event(event_id="after") for _ in range(2)]}
        headers = {"Authorization": f"Bearer {sender.tenant.api_key}"}
        batch = sender.post(body, path="/api/track/batch", headers=headers)
        _assert_unavailable(batch, "Events cannot be stored at the moment")
    assert any(record.levelno == logging.ERROR for record in caplog.records)
    # No restart is needed, and what was refused was not remembered as known.
    assert sender.send(event_id="after").json == ACCEPTED
    assert [row["event_id"] for row in world.stored(sender.tenant)] == ["before", "after"]
    assert world.drops(sender.tenant) == {("unavailable", ""): 4}


def test_a_full_queue(world: World, sender: Sender) -> None:
    headers = {"Authorization": f"Bearer {sender.tenant.api_key}"}
    for count, status in ((3, 200), (4, 503), (3, 200)):
        answer = sender.post({"events": [sender.event()] * count}, path="/api/track/batch", headers=headers)
        assert answer.status_code == status
    assert len(world.stored(sender.tenant)) == 6
    assert world.drops(sender.tenant) == {("unavailable", ""): 4}


def test_a_server_that_stops(world: World, sender: Sender) -> None:
    assert sender.send().json == ACCEPTED
    world.runtime.journal.close()
    _assert_unavailable(sender.send(), "The server is shutting down")
    assert len(world.stored(sender.tenant)) == 1


def test_a_database_that_does_not_answer(
    world: World, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = Sender(sender.client, world.add_tenant())
    assert sender.send().json == ACCEPTED
    with broken_database(world):
        # Who is remembered may go on; who is not cannot be judged, and that is no refusal for good.
        assert sender.send().json == ACCEPTED
        _assert_unavailable(unknown.send(), "The control database does not answer")
        _assert_unavailable(sender.send(key=unknown.tenant.api_key), "The control database does not answer")
        assert sender.send(typo=1).status_code == 400
    assert unknown.send().json == ACCEPTED
    assert len(world.stored(sender.tenant)) == 2
    assert "The control database does not answer" in caplog.text
    assert sender.tenant.api_key not in caplog.text


def test_a_fault_of_ours_is_an_answer_and_a_line_in_the_log(
    world: World, sender: Sender, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a bug")

    world.app.testing = False
    monkeypatch.setattr(world.runtime.pipeline, "_client_of", fail)
    answer = sender.send()
    assert answer.status_code == 500
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json is not None
    assert answer.json["success"] is False
    assert "a bug" not in answer.text
    assert "a bug" in caplog.text
