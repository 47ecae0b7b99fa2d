"""Migrations (alembic). A change that old code does not survive comes in two: one that it does,
and one for after it is gone."""
