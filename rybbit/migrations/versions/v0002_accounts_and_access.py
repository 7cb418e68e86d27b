"""Sessions, password resets, invitations, private links, restricted sites, the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add to the tables, and make the new ones."""
    _extend_sites()
    _create_site_members()
    _create_sessions()
    _create_password_resets()
    _create_invitations()
    _create_audit()


def _extend_sites() -> None:
    # Added in place: SQLite would build the table anew for a constraint, and forget with the old one
    # up to which number sites were counted, so that the number of a deleted site came back.
    op.add_column("rybbit_site", sa.Column("private_link_key", sa.String(12)))
    op.add_column(
        "rybbit_site", sa.Column("restricted", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    name = op.f("ix_rybbit_site_private_link_key")
    op.create_index(name, "rybbit_site", ["private_link_key"], unique=True)


def _create_site_members() -> None:
    op.create_table(
        "rybbit_site_member",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "account_id", name=op.f("pk_rybbit_site_member")),
        _refer("rybbit_site_member", "site_id", "rybbit_site.site_id"),
        _refer("rybbit_site_member", "account_id", "rybbit_account.id"),
    )
    op.create_index(op.f("ix_rybbit_site_member_account_id"), "rybbit_site_member", ["account_id"])


def _create_sessions() -> None:
    op.create_table(
        "rybbit_session",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("last_seen_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("user_agent", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rybbit_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_rybbit_session_token_hash")),
        _refer("rybbit_session", "account_id", "rybbit_account.id"),
    )
    for column in ("account_id", "expires_at"):
        op.create_index(op.f(f"ix_rybbit_session_{column}"), "rybbit_session", [column])


def _create_password_resets() -> None:
    op.create_table(
        "rybbit_password_reset",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_rybbit_password_reset")),
        _refer("rybbit_password_reset", "account_id", "rybbit_account.id"),
    )
    op.create_index(op.f("ix_rybbit_password_reset_account_id"), "rybbit_password_reset", ["account_id"])


def _create_invitations() -> None:
    op.create_table(
        "rybbit_invitation",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(40), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("created_by", sa.String(40)),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("accepted_at", _MOMENT),
        sa.Column("revoked_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rybbit_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_rybbit_invitation_token_hash")),
        _refer("rybbit_invitation", "organization_id", "rybbit_organization.id"),
    )
    op.create_index(op.f("ix_rybbit_invitation_organization_id"), "rybbit_invitation", ["organization_id"])


def _create_audit() -> None:
    op.create_table(
        "rybbit_audit",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("organization_id", sa.String(40), nullable=False),
        sa.Column("site_id", sa.Integer()),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.String(40)),
        sa.Column("actor_name", sa.String(600), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rybbit_audit")),
    )
    for column in ("organization_id", "site_id"):
        op.create_index(f"ix_rybbit_audit_{column}", "rybbit_audit", [column, "id"])


def _refer(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete="CASCADE")
