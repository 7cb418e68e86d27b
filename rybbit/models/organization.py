"""Organizations, and who belongs to them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock, security
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime, text_enum


class Role(StrEnum):
    """What a member may do, the most first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"

    @property
    def is_admin(self) -> bool:
        """Whether the role may change sites: owners and admins do."""
        return self is not Role.MEMBER


def _make_id() -> str:
    return security.make_id("org")


class Organization(Base):
    """What sites belong to."""

    __tablename__ = "rybbit_organization"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=_make_id)
    name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now, onupdate=clock.now)


class Member(Base):
    """One account in one organization, with one role."""

    __tablename__ = "rybbit_member"

    organization_id: Mapped[str] = mapped_column(
        ForeignKey("rybbit_organization.id", ondelete="CASCADE"), primary_key=True
    )
    account_id: Mapped[str] = mapped_column(
        ForeignKey("rybbit_account.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[Role] = mapped_column(text_enum(Role, length=16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
