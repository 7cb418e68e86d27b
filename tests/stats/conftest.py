"""A store to ask, without an app."""

from tests.store.conftest import clocks, new_parts, parts

__all__ = ["clocks", "new_parts", "parts"]
