"""Fetching from real servers on this machine."""
