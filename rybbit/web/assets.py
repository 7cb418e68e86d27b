"""Scripts and style sheets as the front-end build names them."""

import json
import mimetypes
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from flask import Flask, Response, current_app, request, send_from_directory, url_for
from werkzeug.security import safe_join

from rybbit.errors import ConfigurationError
from rybbit.web.compression import accepted_twin, mark_encoding

_FOREVER = "public, max-age=31536000, immutable"
_HASHED = re.compile(r"-[A-Z0-9]{8}\.\w+\Z")
_EXTENSION = "rybbit_assets"
_MISSING = (
    "The front end has not been built: run `pip install -e .`, or `npm ci && node build.mjs` in static/."
)


@dataclass
class Assets:
    """The files in one folder that the build filled."""

    folder: Path
    _names: dict[str, str] = field(default_factory=dict)
    _read_at: int = 0

    def name_of(self, name: str) -> str:
        """The file with the content of `name`, such as `app-7F3KQ2AB.css` for `app.css`.

        Raises:
            ConfigurationError: there is none, or nothing was built.
        """
        manifest = self.folder / "manifest.json"
        try:
            changed_at = manifest.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._names, self._read_at = json.loads(manifest.read_text()), changed_at
            return self._names[name]
        except (OSError, ValueError) as error:
            raise ConfigurationError(_MISSING) from error
        except KeyError as error:
            raise ConfigurationError(f"There is no {name} among what the front-end build made.") from error

    def path_of(self, name: str) -> Path:
        """Where that file lies; raises as `name_of` does."""
        return self.folder / self.name_of(name)


def current_assets() -> Assets:
    """The built files of the app that handles the request."""
    return cast(Assets, current_app.extensions[_EXTENSION])


def register(app: Flask) -> None:
    """Let templates say `asset("app.css")`, and browsers keep what they got for good."""
    assets = Assets(Path(app.static_folder or ""))
    app.extensions[_EXTENSION] = assets

    def asset(name: str) -> str:
        """The path of a built file, below the prefix where the server is mounted."""
        return url_for("static", filename=assets.name_of(name))

    app.jinja_env.globals["asset"] = asset
    app.after_request(_keep_forever)


def send_built(filename: str) -> Response:
    """A built file by its whole name, compressed where the build made it so and the browser takes it.

    Raises:
        NotFound: of werkzeug; there is no such file.
    """
    folder = str(current_assets().folder)
    path = safe_join(folder, filename)
    twin = accepted_twin(Path(path)) if path else None
    if twin is None:
        return mark_encoding(send_from_directory(folder, filename), is_compressed=False)
    kind, _ = mimetypes.guess_type(filename)
    return mark_encoding(send_from_directory(folder, f"{filename}.gz", mimetype=kind), is_compressed=True)


def _keep_forever(response: Response) -> Response:
    """A name with a hash of its content never stands for something else."""
    filename = str((request.view_args or {}).get("filename", "")) if request.endpoint == "static" else ""
    if _HASHED.search(filename) and response.status_code in (200, 206, 304):
        response.headers["Cache-Control"] = _FOREVER
    return response
