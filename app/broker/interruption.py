"""One line in the log when something begins to fail, and one when it works again."""

import logging
from dataclasses import dataclass


@dataclass(kw_only=True)
class Interruption:
    """Whether something fails at the moment."""

    logger: logging.Logger
    began: str
    """The line at its beginning, a warning."""
    ended: str
    """The line at its end."""
    failures_borne: int = 0
    """So many failures in a row are not told."""
    _failures: int = 0

    def failed(self, reason: str) -> None:
        """It has failed, perhaps once more."""
        self._failures += 1
        if self._failures == self.failures_borne + 1:
            self.logger.warning(self.began, extra={"reason": reason})

    def worked(self) -> None:
        """It works."""
        if self._failures > self.failures_borne:
            self.logger.info(self.ended)
        self._failures = 0
