"""Printing: tables for people, JSON for programs."""

import json
from collections.abc import Sequence
from datetime import datetime

import click


def print_json(value: object) -> None:
    """Print a value as JSON, and nothing else, on standard output."""
    click.echo(json.dumps(value, indent=2))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns under their titles."""
    lines = [list(titles), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def shown_time(moment: datetime | None) -> str | None:
    """A moment as the API shows it."""
    from rybbit.clock import to_iso

    return None if moment is None else to_iso(moment)


def _shown(cell: object) -> str:
    """A cell's text; names come from outside, and must not steer the terminal."""
    text = "-" if cell is None else str(cell)
    return "".join(character if character.isprintable() else "?" for character in text)
