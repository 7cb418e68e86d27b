"""Links with which somebody sets a new password."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime


class PasswordReset(Base):
    """A link that works once and for an hour; only the SHA-256 of its token is kept."""

    __tablename__ = "rybbit_password_reset"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("rybbit_account.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
