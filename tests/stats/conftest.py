"""A store to ask, without an app."""

from tests.store.conftest import clocks, keeper, new_clickhouse, new_parts, parts, small_server

__all__ = ["clocks", "keeper", "new_clickhouse", "new_parts", "parts", "small_server"]
