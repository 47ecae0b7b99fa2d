"""The command line against a real API, as a user types it."""
