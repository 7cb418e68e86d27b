"""What tests of the write path share with those of the store, and a control database without an app."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine

from rybbit.database import configure_engine
from tests.store.conftest import clocks, events_engine, new_parts, parts

__all__ = ["clocks", "control", "events_engine", "new_parts", "parts"]


@pytest.fixture
def control(database_uri: str) -> Iterator[Engine]:
    """The engine of a control database of the test's own."""
    engine = create_engine(database_uri)
    configure_engine(engine)
    yield engine
    engine.dispose()
