"""People who sign in."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock, security
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime


def _make_id() -> str:
    return security.make_id("user")


class Account(Base):
    """A person. `email` is lower case; without `password_hash` nobody signs in with a password."""

    __tablename__ = "rybbit_account"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=_make_id)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now, onupdate=clock.now)
