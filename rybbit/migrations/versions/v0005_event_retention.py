"""For how many days the events of a site are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; without a number events are kept for ever."""
    op.add_column("rybbit_site", sa.Column("retention_days", sa.Integer()))
