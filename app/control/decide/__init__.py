"""Decides: evaluates a pool from what was observed. Pure."""
