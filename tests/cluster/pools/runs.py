"""What tasks did, from the log that the test application keeps in its Redis."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tests.cluster.broker import Broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One task: every start and every end of it, in Unix seconds."""

    task: str
    started_at_s: Sequence[float]
    ended_at_s: Sequence[float]
    hosts: Sequence[str]

    @property
    def is_once(self) -> bool:
        """Started exactly once, and ended."""
        return len(self.started_at_s) == len(self.ended_at_s) == 1


def read(broker: Broker, tasks: Collection[str]) -> Mapping[str, Run]:
    """The runs of these tasks, also of those that have not started."""
    starts: defaultdict[str, list[float]] = defaultdict(list)
    ends: defaultdict[str, list[float]] = defaultdict(list)
    hosts: defaultdict[str, list[str]] = defaultdict(list)
    for event in broker.events():
        (starts if event.event == "start" else ends)[event.task].append(event.at)
        if event.event == "start":
            hosts[event.task].append(event.host)
    return {
        task: Run(task=task, started_at_s=starts[task], ended_at_s=ends[task], hosts=hosts[task])
        for task in tasks
    }


def started(broker: Broker, tasks: Collection[str]) -> int:
    """How many of these have started."""
    return sum(bool(run.started_at_s) for run in read(broker, tasks).values())


def ended(broker: Broker, tasks: Collection[str]) -> int:
    """How many of these have ended."""
    return sum(bool(run.ended_at_s) for run in read(broker, tasks).values())
