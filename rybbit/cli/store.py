"""`rybbit compact`."""

import click


@click.command()
def compact() -> None:
    """Merge the small files of the store."""
    raise click.ClickException("not built yet")
