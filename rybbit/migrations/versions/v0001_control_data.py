"""The first tables: accounts, organizations, sites, keys, drops, salts, the revision."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_ONE_HOLDER = (
    "(case when site_id is null then 0 else 1 end)"
    " + (case when account_id is null then 0 else 1 end)"
    " + (case when organization_id is null then 0 else 1 end) = 1"
)
_SWITCHES = (
    "public",
    "salt_user_ids",
    "block_bots",
    "session_replay",
    "web_vitals",
    "track_errors",
    "track_outbound",
    "track_url_params",
    "track_initial_page_view",
    "track_spa_navigation",
    "track_ip",
)


def upgrade() -> None:
    """Make the tables; each refers only to those before it."""
    _create_accounts()
    _create_organizations()
    _create_members()
    _create_sites()
    _create_keys()
    _create_drops()
    _create_salts()
    _create_revision()


def _create_accounts() -> None:
    op.create_table(
        "rybbit_account",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rybbit_account")),
        sa.UniqueConstraint("email", name=op.f("uq_rybbit_account_email")),
    )


def _create_organizations() -> None:
    op.create_table(
        "rybbit_organization",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rybbit_organization")),
    )


def _create_members() -> None:
    op.create_table(
        "rybbit_member",
        sa.Column("organization_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "account_id", name=op.f("pk_rybbit_member")),
        _refer("rybbit_member", "organization_id", "rybbit_organization.id"),
        _refer("rybbit_member", "account_id", "rybbit_account.id"),
    )
    op.create_index(op.f("ix_rybbit_member_account_id"), "rybbit_member", ["account_id"])


def _create_sites() -> None:
    op.create_table(
        "rybbit_site",
        sa.Column("site_id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("organization_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(253), nullable=False),
        sa.Column("created_by", sa.String(40)),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("secret", sa.LargeBinary(32), nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in _SWITCHES),
        sa.Column("excluded_ips", sa.JSON(), nullable=False),
        sa.Column("excluded_countries", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_rybbit_site")),
        sa.UniqueConstraint("id", name=op.f("uq_rybbit_site_id")),
        sa.UniqueConstraint("domain", name=op.f("uq_rybbit_site_domain")),
        _refer("rybbit_site", "organization_id", "rybbit_organization.id", on_delete=None),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rybbit_site_organization_id"), "rybbit_site", ["organization_id"])


def _create_keys() -> None:
    op.create_table(
        "rybbit_key",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("site_id", sa.Integer()),
        sa.Column("account_id", sa.String(40)),
        sa.Column("organization_id", sa.String(40)),
        sa.Column("scopes", sa.JSON()),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT),
        sa.Column("revoked_at", _MOMENT),
        sa.Column("last_used_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rybbit_key")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_rybbit_key_token_hash")),
        sa.CheckConstraint(_ONE_HOLDER, name=op.f("ck_rybbit_key_one_holder")),
        _refer("rybbit_key", "site_id", "rybbit_site.site_id"),
        _refer("rybbit_key", "account_id", "rybbit_account.id"),
        _refer("rybbit_key", "organization_id", "rybbit_organization.id"),
    )
    for column in ("site_id", "account_id", "organization_id"):
        op.create_index(op.f(f"ix_rybbit_key_{column}"), "rybbit_key", [column])


def _create_drops() -> None:
    op.create_table(
        "rybbit_drop",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("rule", sa.String(255), nullable=False),
        sa.Column("hour", _MOMENT, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "reason", "rule", "hour", name=op.f("pk_rybbit_drop")),
    )


def _create_salts() -> None:
    op.create_table(
        "rybbit_salt",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_rybbit_salt")),
    )


def _create_revision() -> None:
    op.create_table(
        "rybbit_revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rybbit_revision")),
    )


def _refer(
    table: str, column: str, target: str, *, on_delete: str | None = "CASCADE"
) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete=on_delete)
