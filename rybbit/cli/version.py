"""`rybbit version`."""

import click


@click.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed_version

    try:
        click.echo(installed_version("rybbit"))
    except PackageNotFoundError as error:
        raise click.ClickException(
            "The package is not installed: run `pip install .` in its folder."
        ) from error
