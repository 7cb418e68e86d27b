"""What a browser shows instead of a password, once somebody has signed in."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock, security
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime

ADDRESS_LENGTH = 45
USER_AGENT_LENGTH = 255


def _make_id() -> str:
    return security.make_id("ses")


class Session(Base):
    """A browser in which an account is signed in; only the SHA-256 of its token is kept.

    `expires_at` moves on while the session is used. `address` and `user_agent` are those of the
    sign-in, for the owner to recognise it by; they are hostile text.
    """

    __tablename__ = "rybbit_session"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=_make_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("rybbit_account.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    address: Mapped[str] = mapped_column(String(ADDRESS_LENGTH))
    user_agent: Mapped[str] = mapped_column(String(USER_AGENT_LENGTH))
