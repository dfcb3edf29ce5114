"""The journal's tables from version to version (Alembic)."""
