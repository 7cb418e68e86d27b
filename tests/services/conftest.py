"""A ClickHouse server for the services that ask about events."""

from tests.store.conftest import small_server

__all__ = ["small_server"]
