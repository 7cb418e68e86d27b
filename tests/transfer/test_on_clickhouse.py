"""Commands that bring events in and out, where these are in ClickHouse."""

from pathlib import Path

import pytest

from tests.store.clickhouse_parts import SmallServer
from tests.store.conftest import small_server
from tests.transfer.conftest import run, stored

__all__ = ["small_server"]

_FIGURES = """
select site_id, count(*), count(distinct session_id), count(distinct user_id), min(timestamp), max(timestamp)
from events group by site_id order by site_id
"""


def test_made_up_events_go_out_and_come_in(
    folder: Path, tmp_path: Path, small_server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_server.set_faults()
    monkeypatch.setenv("RYBBIT_EVENTS_URL", small_server.url(folder))
    file = tmp_path / "events.parquet"
    run(folder, "demo", "--site", "1", "--events", "2000", "--days", "3")
    run(folder, "export", "--site", "1", "--format", "parquet", "--output", str(file))
    run(folder, "site", "create", "--domain", "other.example")
    run(folder, "import", str(file), "--site", "2")
    (site, *made), (other, *brought) = stored(folder, _FIGURES)
    assert (site, other, made[0]) == (1, 2, 2000)
    assert brought == made
    assert not (folder / "events").exists()
