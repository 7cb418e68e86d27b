"""Sites and their settings."""

from datetime import datetime
from typing import TypedDict

from sqlalchemy import JSON, ForeignKey, Identity, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from rybbit import clock, security
from rybbit.extensions import Base
from rybbit.models.columns import UtcDateTime


class ExclusionNote(TypedDict):
    """Why something is excluded, who excluded it, and when (ISO 8601)."""

    note: str
    by: str
    at: str


class Site(Base):
    """One tracked site.

    `site_id` is the number that events carry; it is never given out twice, since events of a deleted
    site may still be on their way to disk. `id` is the public identifier of 12 hex digits. `domain`
    is normalised (lower case, punycode). `created_by` is an account's id and outlives the account.
    Visitor ids are keyed with `secret`. A `restricted` site is seen by owners and admins of the
    organization, and of its members by those listed as `SiteMember`; whoever has `private_link_key`
    may read its statistics.
    """

    __tablename__ = "rybbit_site"
    __table_args__ = ({"sqlite_autoincrement": True},)

    site_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    id: Mapped[str] = mapped_column(String(12), unique=True, default=security.make_site_id)
    organization_id: Mapped[str] = mapped_column(ForeignKey("rybbit_organization.id"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    domain: Mapped[str] = mapped_column(String(253), unique=True)
    created_by: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now, onupdate=clock.now)
    secret: Mapped[bytes] = mapped_column(LargeBinary(32), default=security.make_secret)

    private_link_key: Mapped[str | None] = mapped_column(String(12), unique=True, index=True)
    restricted: Mapped[bool] = mapped_column(default=False)

    public: Mapped[bool] = mapped_column(default=False)
    salt_user_ids: Mapped[bool] = mapped_column(default=False)
    block_bots: Mapped[bool] = mapped_column(default=True)
    session_replay: Mapped[bool] = mapped_column(default=False)
    web_vitals: Mapped[bool] = mapped_column(default=False)
    track_errors: Mapped[bool] = mapped_column(default=False)
    track_outbound: Mapped[bool] = mapped_column(default=True)
    track_url_params: Mapped[bool] = mapped_column(default=True)
    track_initial_page_view: Mapped[bool] = mapped_column(default=True)
    track_spa_navigation: Mapped[bool] = mapped_column(default=True)
    track_ip: Mapped[bool] = mapped_column(default=False)
    # Events are kept for so many days, for ever if there is no number.
    retention_days: Mapped[int | None]
    # Lists are replaced, never changed in place: a change inside would go unnoticed.
    excluded_ips: Mapped[list[str]] = mapped_column(JSON, default=list)
    excluded_countries: Mapped[list[str]] = mapped_column(JSON, default=list)
    # By pattern or country; what was excluded before there were notes has none.
    exclusion_notes: Mapped[dict[str, ExclusionNote]] = mapped_column(JSON, default=dict)


class SiteMember(Base):
    """A member of the organization who may see a restricted site."""

    __tablename__ = "rybbit_site_member"

    site_id: Mapped[int] = mapped_column(
        ForeignKey("rybbit_site.site_id", ondelete="CASCADE"), primary_key=True
    )
    account_id: Mapped[str] = mapped_column(
        ForeignKey("rybbit_account.id", ondelete="CASCADE"), primary_key=True, index=True
    )
