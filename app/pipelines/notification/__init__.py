"""A user is told something: stored, and delivered by webhook and e-mail."""
