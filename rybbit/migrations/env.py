"""What alembic runs to migrate; the connection comes from `rybbit.migrations`."""

from alembic import context

import rybbit.models  # noqa: F401  # fills the metadata
from rybbit.extensions import Base
from rybbit.migrations import VERSION_TABLE, is_ours


def run() -> None:
    """Migrate on the connection given, in its transaction."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        include_name=is_ours,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
