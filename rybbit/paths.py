"""Where things lie: the instance folder and the files that come with the package."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent


def _is_checkout(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file() and (folder / "rybbit" / "paths.py").is_file()


def _user_data_folder(environ: Mapping[str, str]) -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "rybbit"
    base = environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "rybbit"


def instance_path(environ: Mapping[str, str] | None = None) -> Path:
    """The folder that holds everything an instance keeps.

    `RYBBIT_INSTANCE_PATH` decides; else `instance/` of the checkout that is the working directory
    or that the package lies in; else the data folder of the user. Nothing is created.
    """
    environ = os.environ if environ is None else environ
    chosen = environ.get("RYBBIT_INSTANCE_PATH")
    if chosen:
        return Path(chosen).expanduser().resolve()
    for folder in (Path.cwd(), REPOSITORY):
        if _is_checkout(folder):
            return folder / "instance"
    return _user_data_folder(environ)


def _shipped(name: str) -> Path:
    # An installed package carries the folder inside; a checkout has it beside the package.
    inside = PACKAGE / name
    return REPOSITORY / name if not inside.is_dir() and _is_checkout(REPOSITORY) else inside


def templates_path() -> Path:
    """The folder of the page templates."""
    return _shipped("templates")


def static_path() -> Path:
    """The folder of scripts, styles and what the front-end build makes of them."""
    return _shipped("static")


def geo_database_path() -> Path:
    """The city database that comes with the package; it may be missing in a bare checkout."""
    return PACKAGE / "data" / "city.mmdb"
