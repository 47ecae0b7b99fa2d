"""Migrations (alembic). A change that breaks old code comes in two steps: a compatible one, and one
for when the old code is gone."""
