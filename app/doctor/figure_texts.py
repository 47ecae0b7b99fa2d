"""Figures in the texts of findings."""

from collections.abc import Iterable

SHOWN = 3


def byte_count(number: float) -> str:
    """
    >>> byte_count(512), byte_count(1536), byte_count(3 * 1024**3)
    ('512 bytes', '1.5 KiB', '3.0 GiB')
    """
    if number < 1024:
        return f"{number:.0f} bytes"
    for unit in ("KiB", "MiB"):
        number /= 1024
        if number < 1024:
            return f"{number:.1f} {unit}"
    return f"{number / 1024:.1f} GiB"


def counted(number: int, noun: str) -> str:
    """
    >>> counted(1, "key"), counted(1200, "key")
    ('1 key', '1,200 keys')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(ratio: float) -> str:
    return f"{ratio * 100:.0f} %"


def listed(names: Iterable[str]) -> str:
    """
    >>> listed(["a", "b"]), listed("abcde")
    ('a, b', 'a, b, c and 2 more')
    """
    found = sorted(set(names))
    more = len(found) - SHOWN
    return ", ".join(found[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def duration(seconds: float) -> str:
    """
    >>> duration(5), duration(3600), duration(5400), duration(200_000)
    ('5 s', '1 h', '90 min', '55 h 33 min')
    """
    minutes = seconds / 60
    if minutes < 2:
        return f"{seconds:.0f} s"
    if minutes < 120 and minutes % 60:
        return f"{minutes:.0f} min"
    hours, rest = divmod(int(minutes), 60)
    return f"{hours} h" + (f" {rest} min" if rest else "")
