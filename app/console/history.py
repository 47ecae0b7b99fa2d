"""The last hour of each queue and pool, sampled by this process."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.console.console_model import Overview

SAMPLE_S = 5.0

SPAN_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The figures at one moment."""

    at: datetime
    ready: Mapping[str, int]
    """By queue. Empty while the broker did not answer: a gap, not a zero."""
    pools: Mapping[str, tuple[int | None, int | None, int | None]]
    """Backlog, desired and actual replicas, by pool."""


class History:
    """Samples of the last hour, oldest first."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=int(SPAN_S / SAMPLE_S))

    def add(self, seen: Overview) -> None:
        """Keep this overview's figures."""
        known = seen.problem is None
        queues = {queue.name: queue.ready for queue in seen.queues} if known else {}
        pools = {pool.name: (pool.backlog, pool.desired, pool.replicas) for pool in seen.pools}
        self.add_sample(Sample(at=seen.at, ready=queues, pools=pools if known else {}))

    def add_sample(self, sample: Sample) -> None:
        """Keep figures; they come in the order of time."""
        self._samples.append(sample)

    def samples(self, *, now: datetime) -> Sequence[Sample]:
        """Those of the last hour."""
        since = now - timedelta(seconds=SPAN_S)
        return [sample for sample in self._samples if sample.at >= since]
