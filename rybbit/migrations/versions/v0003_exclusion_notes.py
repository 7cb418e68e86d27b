"""Who added each exclusion of a site, when, and why."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the notes to sites; of what is excluded already nobody knows who added it."""
    # In place, as in step 0002: SQLite would forget with the old table which numbers were given out.
    op.add_column("rybbit_site", sa.Column("exclusion_notes", sa.JSON(), nullable=False, server_default="{}"))
