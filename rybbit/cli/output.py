"""Printing: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar


def print_json(value: object) -> None:
    """Print a value as JSON, and nothing else, on standard output."""
    click.echo(json.dumps(value, indent=2))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns under their titles."""
    lines = [list(titles), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def progress_bar(length: int, label: str) -> AbstractContextManager["ProgressBar[int]"]:
    """How far a command has come, on standard error; nothing where nobody looks."""
    return click.progressbar(
        length=length,
        label=label,
        file=sys.stderr,
        show_pos=True,
        hidden=not sys.stderr.isatty(),
        update_min_steps=max(1, length // 200),
    )


def shown_time(moment: datetime | None) -> str | None:
    """A moment as the API shows it."""
    from rybbit.clock import to_iso

    return None if moment is None else to_iso(moment)


def _shown(cell: object) -> str:
    """A cell's text; names come from outside, and must not steer the terminal."""
    text = "-" if cell is None else str(cell)
    return "".join(character if character.isprintable() else "?" for character in text)
