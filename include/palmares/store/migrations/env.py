"""What Alembic runs: every migration on the connection, and in the transaction, that `migrate` opened."""

from __future__ import annotations

from alembic import context

from palmares.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
