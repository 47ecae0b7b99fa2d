"""Alembic's entry: run on the connection that `app.storage.migrate` hands in."""

from alembic import context

from app.storage import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
