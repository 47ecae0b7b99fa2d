"""Kombu's messages: the envelope, and bodies as plain values, whatever serializer wrote them.

Plain values are `None`, booleans, numbers, text, bytes, lists, tuples, sets and dictionaries of
them. Anyone who can reach the broker can write a body, so nothing here imports, calls or builds
anything that a body names, and the cost of reading a body is bounded (`bounds`).

May import `errors` only.
"""
