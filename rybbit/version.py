"""The version of the installed package."""

from functools import cache
from importlib import metadata


@cache
def installed_version() -> str:
    """The version, such as `0.1.0`; `unknown` when the package runs without being installed."""
    try:
        return metadata.version("rybbit")
    except metadata.PackageNotFoundError:
        return "unknown"
