"""The pools of a loop, posted where others can read them: one key in the broker's own database.

Whoever runs the loop without a Kubernetes API to write status to posts here; the API and the
command line read it. A loop that has ended posts no more, and its key expires.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from app.control.pool.status import PoolStatus
from app.errors import InvalidInput

KEY = "celeriac:pools"
LIFETIME_S = 15
"""Some missed posts are no reason to look dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What a loop has posted last."""

    posted_at_s: float
    """In seconds since the epoch. What has not changed is not posted again."""
    pools: Mapping[str, PoolStatus]
    """By the pool's name."""


_BOARD = TypeAdapter(Board)


def build_text(board: Board) -> bytes:
    """The value of the key."""
    return _BOARD.dump_json(board)


def parse_text(text: bytes | str) -> Board:
    """What is posted.

    Raises:
        InvalidInput: another version of us has posted it.
    """
    try:
        return _BOARD.validate_json(text)
    except ValidationError as exc:
        raise InvalidInput(f"{KEY} holds something that this version does not read") from exc
