"""Answers that are read page by page."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows, the first ones first, and how many there are on all pages together."""

    rows: list[dict[str, Any]]
    total: int
