"""Numbers, durations and times as people read them."""

from datetime import datetime

UNKNOWN = "-"

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def number(value: float | None) -> str:
    """
    >>> number(1204), number(None), number(0.25)
    ('1,204', '-', '0.25')
    """
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:,.2g}"


def duration(seconds: float | None) -> str:
    """The largest two units.

    >>> duration(0.034), duration(2.21), duration(130), duration(7_265), duration(None)
    ('34 ms', '2.2 s', '2 min 10 s', '2 h 1 min', '-')
    """
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    left = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def ago(then: datetime | None, now: datetime) -> str:
    """How long ago a moment was, or how long until it comes."""
    if then is None:
        return UNKNOWN
    seconds = (now - then).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{duration(round(seconds))} ago" if seconds > 0 else f"in {duration(round(-seconds))}"


def rate(per_second: float | None) -> str:
    """
    >>> rate(12.44), rate(0.02), rate(0), rate(None)
    ('12.4/s', '1.2/min', '0/s', '-')
    """
    if per_second is None:
        return UNKNOWN
    if 0 < per_second < 1:
        return f"{per_second * 60:.2g}/min"
    return f"{per_second:.3g}/s"


def size(count: int) -> str:
    """
    >>> size(512), size(2_350_000)
    ('512 B', '2.4 MB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    digits = f"{value:.2g}" if unit != "B" and value < 10 else f"{value:.0f}"
    return f"{digits} {unit}"


def plural(count: int, one: str, several: str | None = None) -> str:
    """
    >>> plural(1, "job"), plural(1204, "job"), plural(2, "replica")
    ('1 job', '1,204 jobs', '2 replicas')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"
