"""What a store is told when it is opened, also by one process to another."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """Where store, journal and tombstones lie; `memory` is what DuckDB may use, as it writes it."""

    folder: Path
    journal: Path
    tombstones: Path
    memory: str

    def to_json(self) -> str:
        """The options as text, for a process of their own; it may hold a password."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The options that `to_json` wrote."""
        fields = json.loads(text)
        for name in ("folder", "journal", "tombstones"):
            fields[name] = Path(fields[name])
        return cls(**fields)
