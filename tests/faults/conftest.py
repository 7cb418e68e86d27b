"""An instance for every test, made as a person would make it."""

from pathlib import Path

import pytest

from tests.faults.server import Instance, make_instance
from tests.store.conftest import clocks

__all__ = ["clocks"]


@pytest.fixture
def site(tmp_path: Path) -> Instance:
    """An instance folder with a site and its keys."""
    return make_instance(tmp_path / "instance")
