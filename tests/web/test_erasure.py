"""Erasing a user over HTTP: the receipt, and that no question finds anything of them afterwards."""

import csv
import io
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rybbit import clock
from tests.store.parts import REPOSITORY
from tests.web.statistics import asked, call, done, fill
from tests.web.world import Tenant, World

# What an address could take for a part of itself, or put right on the way.
ODD_IDS = (
    *("team/7", "a//b", "/a", "a/", "/", "//", "//a", ".", "..", "../users", "a/./b", "a/../b"),
    *("a%2Fb", "100%", "a?b=c#d", "a+b", "a  b", "a\tb\nc", "a\r\nb", "a;b", "a\\b", "a:b@c"),
    *('Zoë "the" Müller', "名前🦊", "'); drop table x; --"),
)


def erase(world: World, tenant: Tenant, user_id: str) -> dict[str, Any]:
    """Erase a user of a site, who may not exist; answers the receipt."""
    told = done(call(world, tenant, "DELETE", f"users/{quote(user_id, safe='')}"), 200)
    assert (list(told), told["success"]) == (["success", "receipt"], True)
    receipt: dict[str, Any] = told["receipt"]
    return receipt


def users(world: World, tenant: Tenant) -> list[str]:
    return [row["user_id"] for row in asked(world, tenant, "users")["data"]]


def exported(world: World, tenant: Tenant) -> str:
    answer = world.read(tenant, "export")
    assert answer.status_code == 200
    return answer.data.decode()


def run(world: World, *words: str, crash_at: str = "") -> None:
    """A command on the instance in a process of its own, which is killed at that point if one is named."""
    ended = subprocess.run(
        [sys.executable, "-c", "from rybbit.cli import main; main()", *words],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "RYBBIT_INSTANCE_PATH": str(world.runtime.config.instance_path),
            "RYBBIT_TEST_CRASH_AT": crash_at,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == (-9 if crash_at else 0), ended.stderr


def test_the_receipt_tells_what_there_was_of_them(world: World, tenant: Tenant) -> None:
    fill(world, tenant)
    before = clock.now() - timedelta(milliseconds=1)
    receipt = erase(world, tenant, "ada")
    requested = datetime.fromisoformat(receipt["requestedAt"])
    assert before <= requested <= clock.now()
    assert re.fullmatch(r"erasure_[0-9a-f]{24}", receipt["id"])
    # The hour for which replaced files stay, and one more to replace them.
    gone = clock.to_iso(requested + timedelta(hours=2))
    assert receipt == {
        "id": receipt["id"],
        "siteId": tenant.site_id,
        "events": 9,
        "sessions": 2,
        "firstSeen": "2026-03-01T09:00:00.000Z",
        "lastSeen": "2026-03-02T09:00:30.000Z",
        "requestedAt": receipt["requestedAt"],
        "goneFromDiskBy": gone,
    }


def test_no_question_finds_anything_of_them(world: World, tenant: Tenant) -> None:
    fill(world, tenant)
    (nobody,) = [name for name in users(world, tenant) if name != "ada"]
    assert exported(world, tenant).count(",ada,") == 9
    erase(world, tenant, "ada")
    figures = asked(world, tenant, "overview")["data"]
    assert [figures[name] for name in ("sessions", "pageviews", "users", "bounce_rate")] == [1, 1, 1, 100]
    assert (users(world, tenant), asked(world, tenant, "users")["totalCount"]) == ([nobody], 1)
    assert [row["user_id"] for row in asked(world, tenant, "sessions")["data"]] == [nobody]
    assert [row["user_id"] for row in csv.DictReader(io.StringIO(exported(world, tenant)))] == [nobody]
    assert world.read(tenant, "users/ada").status_code == 404
    for question in ("sessions?user_id=ada", "users/session-count?user_id=ada", "users?search=ada"):
        assert asked(world, tenant, question)["data"] == []


def test_a_user_without_a_name_goes_by_the_digits(world: World, tenant: Tenant) -> None:
    fill(world, tenant)
    (nobody,) = [name for name in users(world, tenant) if name != "ada"]
    assert re.fullmatch(r"[0-9a-f]{16}", nobody)
    receipt = erase(world, tenant, nobody)
    assert (receipt["events"], receipt["sessions"]) == (1, 1)
    assert receipt["firstSeen"] == receipt["lastSeen"] == "2026-03-01T10:00:00.000Z"
    assert users(world, tenant) == ["ada"]
    assert nobody not in exported(world, tenant)


def test_of_somebody_unknown_there_is_nothing(world: World, tenant: Tenant) -> None:
    fill(world, tenant)
    receipt = erase(world, tenant, "nobody")
    assert (receipt["events"], receipt["sessions"]) == (0, 0)
    assert (receipt["firstSeen"], receipt["lastSeen"]) == (None, None)
    assert len(users(world, tenant)) == 2


@pytest.mark.parametrize("user_id", ODD_IDS)
def test_an_id_may_hold_anything(world: World, tenant: Tenant, user_id: str) -> None:
    near = {" ".join(user_id.split()), user_id.replace("//", "/"), user_id.strip("/"), "a", "b", "a/b"}
    others = sorted(near - {user_id, ""})
    events = [{"pathname": "/", "user_id": name} for name in (user_id, *others)]
    fill(world, tenant, *events)
    assert sorted(users(world, tenant)) == sorted([user_id, *others])
    assert asked(world, tenant, f"users/{quote(user_id, safe='')}")["data"]["user_id"] == user_id
    assert erase(world, tenant, user_id)["events"] == 1
    assert sorted(users(world, tenant)) == others


def test_while_an_import_is_not_finished_nobody_is_erased(
    world: World, tenant: Tenant, tmp_path: Path
) -> None:
    fill(world, tenant)
    file = tmp_path / "export.jsonl"
    file.write_bytes(world.read(tenant, "export?format=jsonl").data)
    run(world, "import", str(file), "--site", tenant.id, crash_at="import:sorted")
    refused = done(call(world, tenant, "DELETE", "users/ada"), 409)
    assert refused["success"] is False
    assert "An import into this site is not finished" in refused["error"]
    assert len(users(world, tenant)) == 2
    run(world, "import", str(file), "--site", tenant.id)
    assert erase(world, tenant, "ada")["events"] == 18
