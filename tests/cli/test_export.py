"""`rybbit export`."""

from pathlib import Path

import pytest

from tests.cli.conftest import Shell

DEMO = ("demo", "--site", "1", "--events", "500", "--days", "2", "--until", "2026-03-01T12:00:00")


@pytest.mark.usefixtures("first")
def test_a_site_is_written_to_a_file_or_to_standard_output(shell: Shell, tmp_path: Path) -> None:
    shell.run(*DEMO)
    file = tmp_path / "out.csv"
    shell.run("export", "--site", "1", "--format", "csv", "--output", str(file))
    assert len(file.read_bytes().splitlines()) == 501
    result = shell.run("export", "--site", "1", "--format", "jsonl")
    assert len(result.stdout_bytes.splitlines()) == 500
    assert shell.run("export", "--site", "1", "--format", "parquet").stdout_bytes.endswith(b"PAR1")


@pytest.mark.usefixtures("first")
def test_days_choose_and_mistakes_leave_no_file(shell: Shell, tmp_path: Path) -> None:
    shell.run(*DEMO)
    one = shell.run("export", "--site", "1", "--format", "jsonl", "--start", "2026-03-01").stdout_bytes
    assert 0 < len(one.splitlines()) < 500
    file = tmp_path / "out.csv"
    arguments = ("export", "--site", "1", "--format", "csv", "--output", str(file), "--start", "x")
    assert "start_date" in shell.run(*arguments, code=1).stderr
    assert not file.exists()
    assert "Site not found" in shell.run("export", "--site", "9", "--format", "csv", code=1).stderr
