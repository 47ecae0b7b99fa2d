"""Messages that workers refuse: a log line and a count each, and never what they hold."""

import logging
from enum import StrEnum

import redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

COUNTS_KEY = "celeriac:refused-messages"
"""A hash: how many messages were refused, by reason, since the broker was set up."""

SHOWN_CHARACTERS = 100
"""Of a text that a message chose."""


class MessageRefusal(StrEnum):
    """Why a message is refused."""

    MALFORMED = "malformed"
    UNSIGNED = "unsigned"
    """A ticket for a job without a valid signature. The job's row is left as it is."""
    PLAIN = "plain"
    """A task that was called without a signature (`CELERIAC_REFUSE_PLAIN_TASKS`)."""
    FAILED = "failed"
    """The worker failed to start it: a mistake of ours, or of Celery's."""


class Refusals:
    """Reports refused messages."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def refuse(self, reason: MessageRefusal, why: str, **about: object) -> None:
        """Log and count one."""
        shown = {name: _shown(value) for name, value in about.items() if value is not None}
        logger.warning(
            "a message is refused",
            extra={"refusal": reason.value, "reason": _shown(why), **shown},
        )
        try:
            self._redis.hincrby(COUNTS_KEY, reason.value, 1)
        except RedisError as error:
            logger.info("a refusal is not counted", extra={"reason": str(error)})


def _shown(value: object) -> object:
    """A text in one line, and never a long one."""
    if not isinstance(value, str):
        return value
    return ascii(value[:SHOWN_CHARACTERS])[1:-1]
