"""The folder in which events from elsewhere are prepared, before they go by the journal."""

import json
from pathlib import Path

from rybbit.locks import FileLock
from rybbit.store.journal_files import replace_file


class LoadFolder:
    """Numbers of loads, and which of them are not finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(path / "lock")

    def next_number(self) -> int:
        """The number of a new load; no two of an instance have the same."""
        counter = self.path / "number"
        with self.lock:
            number = int(counter.read_text()) + 1 if counter.exists() else 1
            replace_file(counter, str(number).encode())
        return number

    def unfinished(self, site_id: int) -> list[Path]:
        """The folders of imports into a site that have begun and not ended."""
        found = []
        for path in self.path.glob("*/state.json"):
            try:
                state = json.loads(path.read_bytes())
            except FileNotFoundError:
                continue
            if state["site_id"] == site_id:
                found.append(path.parent)
        return found
