"""Logs, and a server for metrics. May import `errors` only."""
