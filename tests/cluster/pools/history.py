"""What a target was set to over time, as a watch of the test's own has seen it."""

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests import waiting
from tests.cluster.kubectl import Kubectl


@dataclass(frozen=True, slots=True)
class Change:
    """`spec.replicas` had this value from this moment (Unix seconds) on."""

    replicas: int
    at_s: float


class History:
    """Follows `spec.replicas` of one object from its first value on."""

    def __init__(self, kubectl: Kubectl, target: str) -> None:
        self._kubectl = kubectl
        self._target = target
        self._changes: list[Change] = []

    def __enter__(self) -> Self:
        columns = "--output=custom-columns=R:.spec.replicas"
        words = ("get", self._target, "--watch", "--no-headers", columns)
        self._process = subprocess.Popen(
            self._kubectl.command(*words), stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, name=f"history of {self._target}")
        self._reader.start()
        waiting.eventually(lambda: self._changes, why="the history begins")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            replicas = int(line)
            if not self._changes or self._changes[-1].replicas != replicas:
                self._changes.append(Change(replicas, time.time()))

    @property
    def changes(self) -> Sequence[Change]:
        """The first value and every change of it."""
        return tuple(self._changes)

    @property
    def replicas(self) -> Sequence[int]:
        """The values alone."""
        return [change.replicas for change in self._changes]

    @property
    def now(self) -> int:
        """The last value."""
        return self._changes[-1].replicas
