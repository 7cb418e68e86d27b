"""How far a command has come, as somebody at a terminal sees it."""

import os
import pty
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.store.parts import REPOSITORY
from tests.transfer.conftest import command, environment, run
from tests.transfer.test_import import event, write

BAR = re.compile(r"([A-Z][a-z]+)  \[([#-]+)\]  ([0-9]+)/([0-9]+)")


class Shown(NamedTuple):
    """A bar as it was drawn once."""

    drawn: str
    done: int
    whole: int


def watch(folder: Path, *words: str, part: int = 0) -> tuple[str, dict[str, list[Shown]]]:
    """Run a command whose standard error is a terminal; answers its output, and each bar as it went on."""
    terminal, end = pty.openpty()
    with subprocess.Popen(
        command(*words, part=part),
        cwd=REPOSITORY,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=end,
        text=True,
    ) as process:
        os.close(end)
        seen = _read_all(terminal)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, seen
    bars: dict[str, list[Shown]] = {}
    for label, drawn, done, whole in BAR.findall(seen):
        bars.setdefault(label, []).append(Shown(drawn, int(done), int(whole)))
    return printed, bars


def _read_all(terminal: int) -> str:
    data = b""
    try:
        while piece := os.read(terminal, 65_536):
            data += piece
    except OSError:
        # Linux says so of a terminal that nobody has open at its other end.
        pass
    finally:
        os.close(terminal)
    return data.decode()


def assert_goes_to_the_end(bar: list[Shown]) -> None:
    positions = [shown.done for shown in bar]
    assert positions == sorted(positions)
    assert "#" not in bar[0].drawn or bar[0].done
    assert "-" not in bar[-1].drawn
    assert bar[-1].done == bar[-1].whole


def test_an_import_shows_each_of_its_steps_to_the_end(folder: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *[event(number) for number in range(2_500)])
    printed, bars = watch(folder, "import", str(file), "--site", "1", part=1_000)
    assert printed == "Imported 2500 events into example.com.\n"
    assert list(bars) == ["Reading", "Sorting", "Storing"]
    for bar in bars.values():
        assert_goes_to_the_end(bar)
    assert len(bars["Reading"]) > 3
    assert {shown.whole for shown in bars["Reading"]} == {file.stat().st_size}
    assert [(shown.done, shown.whole) for shown in bars["Storing"]] == [
        *((0, 2500), (1000, 2500), (2000, 2500), (2500, 2500)),
    ]


def test_a_demo_shows_its_events_to_the_end(folder: Path) -> None:
    printed, bars = watch(folder, "demo", "--site", "1", "--events", "50000", "--days", "3")
    assert printed == "example.com (site 1) has 50000 more events of 3 days.\n"
    assert list(bars) == ["Events"]
    assert_goes_to_the_end(bars["Events"])
    assert {shown.done for shown in bars["Events"]} == {0, 40_000, 50_000}


def test_where_nobody_looks_there_is_none(folder: Path, tmp_path: Path) -> None:
    text = run(folder, "import", str(write(tmp_path / "a.jsonl", event(1))), "--site", "1")
    assert text.startswith("Imported 1 events into example.com.\n")
    assert "Reading" not in text
    assert "\x1b" not in text
