"""What the owners of a site hope that its visitors do."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime, text_enum


class GoalType(StrEnum):
    """What reaches a goal."""

    PATH = "path"
    EVENT = "event"


class Goal(Base):
    """A visit converts when it has a pageview of a path, or an event of a name.

    `config` has `pathPattern` or `eventName`, and perhaps `eventPropertyKey` and `eventPropertyValue`, or
    `propertyFilters` (a list of `key` and `value`), as `services.goals` checked them.
    """

    __tablename__ = "rybbit_goal"

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("rybbit_site.site_id", ondelete="CASCADE"), index=True)
    name: Mapped[str | None] = mapped_column(String(255))
    goal_type: Mapped[GoalType] = mapped_column(text_enum(GoalType, length=10))
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


class Funnel(Base):
    """Steps that visitors are hoped to take one after the other, as `services.funnels` checked them."""

    __tablename__ = "rybbit_funnel"

    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("rybbit_site.site_id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now, onupdate=clock.now)
