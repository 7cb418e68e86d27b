"""`rybbit site erase-user`."""

import json

import pytest

from tests.cli.conftest import Shell

DEMO = ("demo", "--site", "1", "--events", "3000", "--days", "2", "--until", "2026-03-01T12:00:00")
EXPORT = ("export", "--site", "1", "--format", "jsonl")


@pytest.mark.usefixtures("first")
def test_a_visitor_is_erased_with_a_receipt(shell: Shell) -> None:
    shell.run(*DEMO)
    rows = [json.loads(line) for line in shell.run(*EXPORT).stdout.splitlines()]
    name = next(row["user_id"] for row in rows if row["user_id"].startswith("customer"))
    theirs = [row for row in rows if row["user_id"] == name]
    receipt = shell.json("site", "erase-user", "--site", "1", "--user", name)
    assert receipt["events"] == len(theirs)
    assert receipt["firstSeen"] == min(row["timestamp"] for row in theirs)
    assert set(receipt) == {
        *("id", "siteId", "events", "sessions", "firstSeen", "lastSeen", "requestedAt", "goneFromDiskBy"),
    }
    left = [json.loads(line) for line in shell.run(*EXPORT).stdout.splitlines()]
    assert len(left) == 3000 - len(theirs)
    assert shell.json("site", "erase-user", "--site", "1", "--user", name)["events"] == 0
    assert "Site not found" in shell.run("site", "erase-user", "--site", "9", "--user", "x", code=1).stderr
