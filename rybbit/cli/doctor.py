"""`rybbit doctor`: what is configured, what works, and what would be wrong in production."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from rybbit.cli.instance import read_settings
from rybbit.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rybbit.cli.checks import Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Tell what is configured, what is reachable, and what would be wrong in production.

    The exit code is 1 if something does not work; a mere warning leaves it 0.
    """
    from rybbit.cli import checks

    config = read_settings()
    settings = checks.shown_settings(config)
    findings, state = checks.examine(config)
    if as_json:
        print_json(
            {
                "instance": str(config.instance_path),
                "settings": settings,
                "state": state,
                "checks": [finding.as_json() for finding in findings],
            }
        )
    else:
        _print_report(settings, state, findings)
    if any(finding.level is checks.Level.ERROR for finding in findings):
        sys.exit(1)


def _print_report(
    settings: Mapping[str, str], state: Mapping[str, Any], findings: Sequence["Finding"]
) -> None:
    print_table(("SETTING", "VALUE"), list(settings.items()))
    rows = list(_flattened(state))
    if rows:
        click.echo()
        print_table(("STATE", "VALUE"), rows)
    click.echo()
    print_table(
        ("CHECK", "RESULT", "WHAT IT MEANS"),
        [(finding.topic, finding.level.value, finding.text) for finding in findings],
    )


def _flattened(state: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in state.items():
        if isinstance(value, Mapping):
            rows += _flattened(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value))
    return rows
