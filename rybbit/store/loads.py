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

    def unfinished_sites(self) -> set[int]:
        """The numbers of the sites that an import into has begun and not ended."""
        found = set()
        for path in self.path.glob("*/state.json"):
            try:
                found.add(int(json.loads(path.read_bytes())["site_id"]))
            except FileNotFoundError:
                continue
        return found
