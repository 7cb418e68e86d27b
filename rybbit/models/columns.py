"""Column types and statements that SQLite and PostgreSQL do not have alike."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Dialect, Enum
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator

from rybbit.extensions import Base


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC on the Python side; SQLite keeps it without a zone, as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: nobody knows which one it is."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give every moment back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def insert_for(dialect: str, model: type[Base]) -> Any:
    """An insert with `on_conflict_do_update` and `on_conflict_do_nothing`, in the dialect's own form."""
    maker = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return maker(model)


def text_enum(kind: type[StrEnum], *, length: int) -> Enum:
    """A text column that holds the values of `kind`; a database's own enum types are hard to migrate."""
    return Enum(kind, native_enum=False, length=length, values_callable=lambda members: list(members))
