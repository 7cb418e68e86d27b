"""What owners of sites hope that their visitors do."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of goals and funnels."""
    _create(
        "rybbit_goal",
        sa.Column("name", sa.String(255)),
        sa.Column("goal_type", sa.String(10), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    _create(
        "rybbit_funnel",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
    )


def _create(table: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["rybbit_site.site_id"],
            name=op.f(f"fk_{table}_site_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f(f"ix_{table}_site_id"), table, ["site_id"])
