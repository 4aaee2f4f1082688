"""Alembic's entry: migrates the connection it is handed."""

from alembic import context

from app.storage import model_tables, service_tables, tables  # noqa: F401 - so that the metadata knows every table
from app.storage.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
