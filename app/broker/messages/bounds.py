"""How large and how deep a body may be."""

from app.errors import InvalidInput

BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""Also after decompression. A worker with 1,000 running tasks answers with about 2.5 MB."""
VALUE_LIMIT = 100_000
"""Values in a body; a value that is referred to twice counts twice."""
DEPTH_LIMIT = 64


def check_size(body: bytes) -> None:
    """Refuse a body that is too long.

    Raises:
        InvalidInput: it is.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise InvalidInput(f"a body of more than {BODY_LIMIT_BYTES} bytes")


def check_value(value: object) -> None:
    """Refuse a value that is too large or too deep to be walked through, or that holds itself.

    Raises:
        InvalidInput: it is.
    """
    count = 0
    level: list[object] = [value]
    for _ in range(DEPTH_LIMIT):
        count += len(level)
        if count > VALUE_LIMIT:
            raise InvalidInput(f"a body of more than {VALUE_LIMIT} values")
        level = _children(level, limit=VALUE_LIMIT - count)
        if not level:
            return
    raise InvalidInput(f"a body that is more than {DEPTH_LIMIT} levels deep")


def _children(level: list[object], *, limit: int) -> list[object]:
    """The values in these values; cut off soon after there are too many of them."""
    found: list[object] = []
    for value in level:
        if isinstance(value, dict):
            found.extend(value)
            found.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            found.extend(value)
        if len(found) > limit:
            break
    return found
