"""The npm packages of the front end, those that only tests use among them."""

import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "static"


def find_package(name: str) -> Path:
    """The folder of a package; without it a test is left out, but fails where CI is set."""
    folder = FOLDER / "node_modules" / name
    if not (folder / "package.json").is_file():
        reason = f"{name} is missing: run `npm ci` in static/"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
