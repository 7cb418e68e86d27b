"""A disk that remembers what would be left of a folder after a power cut at any moment.

Of a file there is what it held when it was last synced, under the names that its folder had when that was
synced. Removals are the exception: each of them may have reached the disk by itself, or not.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from rybbit.store import journal_files

Names = dict[str, int]


@dataclass(frozen=True)
class Cut:
    """What is on disk at one moment: names by folder, contents by file, both by the number of their inode."""

    moment: str = field(compare=False)
    names: Mapping[int, Names]
    contents: Mapping[int, bytes]

    def restore(self, root: int, folder: Path) -> None:
        """Write what is left of the folder with the inode `root` elsewhere."""
        folder.mkdir()
        for name, inode in self.names.get(root, {}).items():
            if inode in self.names:
                self.restore(inode, folder / name)
            else:
                (folder / name).write_bytes(self.contents.get(inode, b""))


class Disk:
    """Watches every sync and removal of this process, which really happen; `cuts` is what they leave.

    What others than Python sync counts for nothing: neither DuckDB nor deltalake promises to.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._watching = True
        self._cuts: list[Cut] = []
        self._names: dict[int, Names] = {}
        self._contents: dict[int, bytes] = {}
        self._removed: dict[int, set[str]] = {}
        self._real_fsync, self._real_unlink = os.fsync, os.unlink
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(os, "unlink", self._unlink)
        monkeypatch.setattr(journal_files, "_sync_data", self._fsync)

    @contextmanager
    def cuts(self) -> Iterator[list[Cut]]:
        """What power cuts since the last call, or now, would leave; inside the context nothing is watched."""
        self._note("now")
        cuts, self._cuts = self._cuts, []
        self._watching = False
        try:
            yield cuts
        finally:
            self._watching = True

    def forget(self) -> None:
        """Leave out the moments until now."""
        self._cuts.clear()

    def _fsync(self, descriptor: int) -> None:
        self._real_fsync(descriptor)
        if not self._watching:
            return
        status = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}")
        if stat.S_ISDIR(status.st_mode):
            self._sync_names(status.st_ino, path)
        else:
            # By its path: the descriptor may be one that can only write.
            self._contents[status.st_ino] = path.read_bytes()
        self._note(f"sync {path.readlink().name}")

    def _sync_names(self, folder: int, path: Path) -> None:
        entries = {each.name: each.lstat() for each in path.iterdir()}
        self._names[folder] = {name: entry.st_ino for name, entry in entries.items()}
        self._removed.pop(folder, None)
        for entry in entries.values():
            if stat.S_ISDIR(entry.st_mode):
                self._names.setdefault(entry.st_ino, {})

    def _unlink(self, path: Any, **named: Any) -> None:
        self._real_unlink(path, **named)
        if self._watching:
            folder, name = Path(path).parent.stat().st_ino, Path(path).name
            self._removed.setdefault(folder, set()).add(name)
            self._note(f"remove {name}")

    def _note(self, moment: str) -> None:
        for gone in self._subsets():
            names = {
                folder: {name: inode for name, inode in files.items() if (folder, name) not in gone}
                for folder, files in self._names.items()
            }
            cut = Cut(moment, names, dict(self._contents))
            if cut not in self._cuts:
                self._cuts.append(cut)

    def _subsets(self) -> Iterator[tuple[tuple[int, str], ...]]:
        """Which of the removals that nobody synced have reached the disk."""
        removed = [
            (folder, name)
            for folder, names in self._removed.items()
            for name in sorted(names & self._names.get(folder, {}).keys())
        ]
        for count in range(len(removed) + 1):
            yield from combinations(removed, count)
