"""A store to ask, without an app."""

from tests.store.conftest import clocks, events_engine, keeper, new_clickhouse, new_parts, parts, small_server

__all__ = ["clocks", "events_engine", "keeper", "new_clickhouse", "new_parts", "parts", "small_server"]
