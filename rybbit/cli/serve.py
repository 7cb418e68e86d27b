"""`rybbit serve`."""

import click


@click.command()
def serve() -> None:
    """Run the server."""
    raise click.ClickException("not built yet")
