"""Keys: what programs show instead of a password."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock, security
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime

ONE_HOLDER = (
    "(case when site_id is null then 0 else 1 end)"
    " + (case when account_id is null then 0 else 1 end)"
    " + (case when organization_id is null then 0 else 1 end) = 1"
)


class Scope(StrEnum):
    """What a key may be limited to; a key without scopes may do all that its holder may."""

    TRACK = "track"
    SITES_READ = "sites:read"
    SITES_WRITE = "sites:write"
    STATS_READ = "stats:read"


def _make_id() -> str:
    return security.make_id("key")


class Key(Base):
    """A key of a site (it may only track), of an account or of an organization; of exactly one.

    Only the SHA-256 of the token is kept. `scopes` None means all that the holder may do.
    `last_used_at` is written late and in bulk (`services.keys.record_key_uses`).
    """

    __tablename__ = "rybbit_key"
    __table_args__ = (CheckConstraint(ONE_HOLDER, name="one_holder"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=_make_id)
    name: Mapped[str] = mapped_column(String(255))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    site_id: Mapped[int | None] = mapped_column(
        ForeignKey("rybbit_site.site_id", ondelete="CASCADE"), index=True
    )
    account_id: Mapped[str | None] = mapped_column(
        ForeignKey("rybbit_account.id", ondelete="CASCADE"), index=True
    )
    organization_id: Mapped[str | None] = mapped_column(
        ForeignKey("rybbit_organization.id", ondelete="CASCADE"), index=True
    )
    scopes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def is_active(self, moment: datetime) -> bool:
        """Whether the key counts at that moment: neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)
