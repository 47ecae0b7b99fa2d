"""A message to a user: stored, and delivered by webhook and e-mail."""
