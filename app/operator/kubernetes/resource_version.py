"""Versions of objects: opaque until Kubernetes 1.35, and counting up everywhere (KEP-5504)."""


def is_older(version: str, than: str) -> bool:
    """Whether a resourceVersion comes before another one. Of what is no number nothing is known.

    >>> is_older("9", "10")
    True
    >>> is_older("", "10")
    False
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
