"""Imports: exact, restartable wherever they die, honest about what is no event."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from rybbit.store.event import first_id_at
from tests.store.parts import NOON_MS
from tests.transfer.conftest import run, stored

GAP_MS = 30 * 60_000
CRASHES = (
    *("import:sorted", "import:prepared", "import:staged", "import:placed", "import:moved"),
    *("mover:manifest-written", "mover:committed"),
)


def event(number: int, **fields: Any) -> dict[str, Any]:
    row = {
        "timestamp": NOON_MS + number,
        "type": "pageview",
        "visitor_id": f"{7:016x}",
        "pathname": f"/{number}",
    }
    return {**row, **fields}


def write(path: Path, *rows: dict[str, Any] | bytes) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_what_was_exported_comes_back_the_same(folder: Path, tmp_path: Path, form: str) -> None:
    run(folder, "demo", "--site", "1", "--events", "3000", "--days", "3", "--until", "2026-03-01T12:00:00")
    run(folder, "site", "create", "--domain", "copy.example")
    file = tmp_path / f"export.{form}"
    run(folder, "export", "--site", "1", "--format", form, "--output", str(file))
    assert "Imported 3000 events into copy.example." in run(folder, "import", str(file), "--site", "2")
    columns = "* exclude (id, site_id, session_id, user_hash)"
    of_site = (
        "select {} from (select * from events) where site_id = {} order by timestamp, pathname, type, user_id"
    )
    first, copy = (stored(folder, of_site.format(columns, site)) for site in (1, 2))
    assert [(one, other) for one, other in zip(first, copy, strict=True) if one != other] == []
    # Visits are the same visits; who has a name has it under the site's own secret.
    sizes = (
        "select count(*), min(timestamp) from events where site_id = {} group by session_id, user_hash"
        " order by all"
    )
    assert stored(folder, sizes.format(1)) == stored(folder, sizes.format(2))
    unnamed = "select distinct user_hash from events where site_id = {} and user_id is null order by 1"
    assert stored(folder, unnamed.format(1)) == stored(folder, unnamed.format(2))


def test_visits_follow_the_thirty_minute_rule_over_the_sorted_file(folder: Path, tmp_path: Path) -> None:
    moments = [0, 10, GAP_MS + 10, 2 * GAP_MS + 11, 5, 5, 9 * GAP_MS]
    rows = [event(moment, visitor_id=f"{7 + moment % 2:016x}") for moment in moments]
    run(folder, "import", str(write(tmp_path / "a.jsonl", *rows)), "--site", "1", part=2)
    found = stored(folder, "select user_hash, epoch_ms(timestamp), id, session_id from events order by id")
    assert [row[1] - NOON_MS for row in found] == sorted(moments)
    last: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for visitor, moment, number, session in found:
        expected = last[visitor][1] if moment - last[visitor][0] <= GAP_MS else number
        assert session == expected
        last[visitor] = (moment, session)


def test_ids_are_of_the_past_and_nothing_that_comes_in_meets_them(folder: Path, tmp_path: Path) -> None:
    from rybbit import clock

    now_ms = clock.now_ms()
    ages = (0, 1, 3_600_000, -200_000, 20 * 365 * 86_400_000)
    rows = [event(0, timestamp=now_ms - age, pathname=f"/{age}") for age in ages]
    for name in ("a.jsonl", "b.jsonl"):
        # The same moments twice, in two loads.
        run(folder, "import", str(write(tmp_path / name, *rows, event(0, pathname=name))), "--site", "1")
    ids = [row[0] for row in stored(folder, "select id from events order by id")]
    assert len(set(ids)) == len(ids) == 12
    assert ids[0] > 0
    assert ids[-1] < first_id_at(clock.now_ms())


@pytest.mark.parametrize("point", CRASHES)
def test_killed_and_run_again_nothing_is_lost_or_doubled(folder: Path, tmp_path: Path, point: str) -> None:
    rows = [event(number) for number in range(25)]
    file = write(tmp_path / "a.jsonl", *rows, b"no event")
    command = ("import", str(file), "--site", "1")
    run(folder, *command, code=-9, crash_at=point, part=10)
    text = run(folder, *command, part=10)
    assert "Imported 25 events" in text
    assert "line 26: is no JSON" in text
    found = stored(folder, "select pathname, count(*) from events group by pathname")
    assert sorted(found) == sorted((f"/{number}", 1) for number in range(25))
    assert not [path for path in (folder / "loads").iterdir() if path.is_dir()]


def test_a_file_is_imported_once_unless_one_insists(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", event(1))
    run(folder, "import", str(file), "--site", "1")
    again = run(folder, "import", str(write(tmp_path / "b.jsonl", event(1))), "--site", "1", code=1)
    assert "was imported into this site before" in again
    run(folder, "import", str(file), "--site", "1", "--again")
    assert stored(folder, "select count(*) from events") == [(2,)]


BAD = (
    (b"{", "is no JSON"),
    (b"[]", "is no JSON object"),
    (b'"x"', "is no JSON object"),
    ({"type": "pageview"}, "timestamp: Required"),
    (event(1, timestamp="yesterday"), "timestamp: "),
    (event(1, timestamp=NOON_MS * 10), "timestamp: Must be between"),
    (event(1, type="click"), "type: "),
    (event(1, visitor_id=None), "nothing says whose event it is"),
    (event(1, type="custom_event"), "event_name"),
    (event(1, pathname="/" * 3000), "pathname: "),
    (event(1, properties="{"), "properties: "),
    (event(1, country="x" * 300), "country: "),
    (event(1, city=["x"]), "wrong type"),
    (event(1, lat="x"), "wrong type"),
    (event(1, page_title="a\0b"), "page_title: "),
    (event(1, city="\ud800"), "wrong type"),
)


def test_what_is_no_event_is_told_by_line_and_the_rest_comes_in(folder: Path, tmp_path: Path) -> None:
    rows = [row for row, _ in BAD]
    file = write(tmp_path / "a.jsonl", event(1), *rows, event(2), b"", event(3))
    text = run(folder, "import", str(file), "--site", "1")
    assert "Imported 3 events" in text
    assert f"{len(BAD)} rows are no events:" in text
    for number, (_, reason) in enumerate(BAD, 2):
        (line,) = [line for line in text.splitlines() if line.startswith(f"  line {number}: ")]
        assert reason in line


def test_of_a_named_format_the_first_line_may_be_bad(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", b'{"type": "pa', event(1))
    text = run(folder, "import", str(file), "--site", "1", "--format", "jsonl")
    assert "Imported 1 events" in text
    assert "line 1: is no JSON" in text


def test_what_a_bad_line_holds_is_not_written_down(folder: Path, tmp_path: Path) -> None:
    secret = "somebody@example.org"
    rows = [event(1, **{name: secret}) for name in ("type", "timestamp", "lat", "screen_width", "event_id")]
    file = write(tmp_path / "a.jsonl", event(1), *rows, event(1, **{secret: secret}), *[b"{"] * 20)
    run(folder, "import", str(file), "--site", "1")
    (listed,) = (folder / "loads").glob("rejected-*.txt")
    assert secret not in listed.read_text()


def test_more_bad_lines_than_fit_are_in_a_file(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", event(1), *[b"{"] * 50)
    text = run(folder, "import", str(file), "--site", "1")
    assert text.count("is no JSON") == 20
    (listed,) = (folder / "loads").glob("rejected-*.txt")
    assert str(listed) in text
    assert len(listed.read_text().splitlines()) == 50


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", b"a,b,c\n1,2,3\n", b"PK\x03\x04junk", b"PAR1junk", b'{"a": 1}\n', b"\xff\xfe\x00"],
)
def test_what_cannot_be_imported_is_refused_in_a_sentence(
    folder: Path, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "file.dat"
    file.write_bytes(content)
    text = run(folder, "import", str(file), "--site", "1", code=1)
    assert "Error: " in text
    assert "file.dat" in text or "Parquet" in text
    assert "Traceback" not in text


def test_the_named_format_must_fit(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", event(1))
    text = run(folder, "import", str(file), "--site", "1", "--format", "umami", code=1)
    assert "a.jsonl is no umami export, but looks like jsonl" in text


def test_a_visitor_is_not_erased_while_their_import_is_half_done(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *[event(number, user_id="ann") for number in range(5)])
    command = ("import", str(file), "--site", "1")
    run(folder, *command, code=-9, crash_at="import:placed", part=2)
    erase = ("site", "erase-user", "--site", "1", "--user", "ann")
    assert "An import into this site is not finished" in run(folder, *erase, code=1)
    run(folder, *command, part=2)
    receipt = run(folder, *erase, "--json")
    assert '"events": 5' in receipt
    other = write(tmp_path / "b.jsonl", event(9))
    assert "is being erased" in run(folder, "import", str(other), "--site", "1", code=1)


def test_what_is_broken_off_can_be_given_up(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *[event(number, user_id="ann") for number in range(5)])
    command = ("import", str(file), "--site", "1")
    give_up = ("import", "--give-up", "--site", "1")
    run(folder, *command, code=-9, crash_at="import:sorted", part=2)
    run(folder, "site", "create", "--domain", "other.example")
    assert "Gave up 0 unfinished imports into other.example." in run(
        folder, "import", "--give-up", "--site", "2"
    )
    assert "Gave up 1 unfinished import into example.com." in run(folder, *give_up)
    # Nothing of it was in, so it begins anew.
    run(folder, *command, code=-9, crash_at="import:placed", part=2)
    assert "Gave up 1 unfinished import" in run(folder, *give_up)
    assert "was imported into this site before" in run(folder, *command, code=1)
    assert stored(folder, "select count(*) from events") == [(2,)]
    receipt = run(folder, "site", "erase-user", "--site", "1", "--user", "ann", "--json")
    assert '"events": 2' in receipt
    assert "Missing argument" in run(folder, "import", "--site", "1", code=2)


def test_addresses_come_in_only_where_they_are_kept(folder: Path, tmp_path: Path) -> None:
    run(folder, "import", str(write(tmp_path / "a.jsonl", event(1, ip="203.0.113.7"))), "--site", "1")
    run(folder, "site", "set", "--site", "1", "trackIp=yes")
    run(folder, "import", str(write(tmp_path / "b.jsonl", event(2, ip="203.0.113.7"))), "--site", "1")
    assert stored(folder, "select ip from events order by id") == [(None,), ("203.0.113.7",)]
