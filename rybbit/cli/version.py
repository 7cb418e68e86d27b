"""`rybbit version`."""

import click


@click.command()
def version() -> None:
    """Print the version."""
    from rybbit.version import installed_version

    click.echo(installed_version())
