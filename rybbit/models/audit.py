"""Who changed what."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Identity, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime, text_enum


class ActorKind(StrEnum):
    """As what somebody acts."""

    ACCOUNT = "account"
    KEY = "key"
    COMMAND = "command"


class AuditEntry(Base):
    """One change of a site or an organization; rows are added and never changed.

    `changes` maps a field's outside name to its old and new value, and holds no secret. There are no
    foreign keys: an entry outlives what it tells of. A larger `id` is a later entry.
    """

    __tablename__ = "rybbit_audit"
    __table_args__ = (
        Index("ix_rybbit_audit_organization_id", "organization_id", "id"),
        Index("ix_rybbit_audit_site_id", "site_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    organization_id: Mapped[str] = mapped_column(String(40))
    site_id: Mapped[int | None]
    actor_kind: Mapped[ActorKind] = mapped_column(text_enum(ActorKind, length=16))
    actor_id: Mapped[str | None] = mapped_column(String(40))
    actor_name: Mapped[str] = mapped_column(String(600))
    address: Mapped[str] = mapped_column(String(45))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(255))
    changes: Mapped[dict[str, list[Any]]] = mapped_column(JSON, default=dict)
