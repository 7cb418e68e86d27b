"""What a command says when it fails."""

import sys
from typing import Any

import click

from rybbit.errors import InvalidInput, RybbitError


class CommandGroup(click.Group):
    """A group that ends with exit code 1 and a sentence for every error that is expected."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and turn the domain's errors into click's."""
        try:
            return super().invoke(ctx)
        except RybbitError as error:
            raise click.ClickException(_describe(error)) from error
        except OSError as error:
            # Without a file it is a closed pipe or the like, which click knows how to end.
            if error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error
        except Exception as error:
            if not _is_database_error(error):
                raise
            raise click.ClickException(f"The database does not do it: {_first_line(error)}") from error


def _describe(error: RybbitError) -> str:
    if not isinstance(error, InvalidInput):
        return str(error)
    lines = [f"{name}: {text}" for name, texts in error.field_errors.items() for text in texts]
    return "\n".join(lines + error.form_errors)


def _is_database_error(error: Exception) -> bool:
    """Whether SQLAlchemy raised it for the driver; asked without importing SQLAlchemy."""
    module = sys.modules.get("sqlalchemy.exc")
    return module is not None and isinstance(error, module.DBAPIError)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).strip().split("\n")[0]
