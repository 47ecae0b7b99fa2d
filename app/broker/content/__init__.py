"""Reads and writes the bodies of kombu's messages as plain values, whatever serializer wrote them.

Plain values are `None`, booleans, numbers, text, bytes, lists, tuples, sets and dictionaries of
them. Everybody who can reach the broker can write a body, so nothing here imports, calls or builds
anything that a body names, and what a body may cost is bounded (`bounds`).

A module here imports `app.errors` and its siblings alone.
"""

from app.broker.content.bodies import JSON, SPOKEN, YAML, is_spoken, read_body, write_body

__all__ = ["JSON", "SPOKEN", "YAML", "is_spoken", "read_body", "write_body"]
