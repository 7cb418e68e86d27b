"""Links with which somebody joins an organization."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock, security
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime, text_enum
from rybbit.models.organization import Role


def _make_id() -> str:
    return security.make_id("inv")


class Invitation(Base):
    """A link that makes one account a member; only the SHA-256 of its token is kept.

    With an `email`, only the account of that address can accept it. `created_by` is the id of an
    account or of a key, None for the command line; it outlives both.
    """

    __tablename__ = "rybbit_invitation"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=_make_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    organization_id: Mapped[str] = mapped_column(
        ForeignKey("rybbit_organization.id", ondelete="CASCADE"), index=True
    )
    role: Mapped[Role] = mapped_column(text_enum(Role, length=16))
    email: Mapped[str | None] = mapped_column(String(254))
    created_by: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def is_open(self, moment: datetime) -> bool:
        """Whether it can be accepted at that moment."""
        return self.accepted_at is None and self.revoked_at is None and moment < self.expires_at
