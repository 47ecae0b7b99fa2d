"""A Redis in the cluster and the tasks in it, seen from the test."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import redis
from celery import Celery
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests import waiting
from tests.cluster import workloads
from tests.cluster.kubectl import Kubectl

# As `app/tasks.py` names them, which only the image can import.
_TASK = "tasks.work"
_LOG_KEY = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the test application's log: a task started or ended on a pod."""

    event: str
    task: str
    host: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One Redis in the cluster. `kubectl` is in its namespace."""

    kubectl: Kubectl
    name: str
    address: str

    @property
    def url(self) -> str:
        """How pods of any namespace reach it."""
        return f"redis://{self.name}.{self.kubectl.namespace}.svc:{workloads.REDIS_PORT}/0"

    @property
    def host_url(self) -> str:
        """How this process reaches it."""
        return f"redis://{self.address}:{workloads.REDIS_PORT}/0"

    def client(self, *, tries: int = 10) -> redis.Redis:
        """A client in this process. A Redis that is slow on a busy machine is asked again."""
        return redis.Redis.from_url(
            self.host_url,
            socket_connect_timeout=1,
            socket_timeout=5,
            decode_responses=True,
            retry=Retry(ConstantBackoff(1), tries - 1),
        )

    def answers(self) -> bool:
        """Whether it can be reached from here now; an outage shows within a second."""
        with self.client(tries=1) as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def go_away(self) -> None:
        """Take it away: connections break and new ones are refused, until `come_back`.

        What it holds survives only if it was deployed with `append_only`.
        """
        shut = "touch /data/away && redis-cli shutdown || true"
        self.kubectl.exec(f"deployment/{self.name}", "sh", "-c", shut)
        waiting.eventually(lambda: not self.answers(), why=f"{self.name} goes away")

    def come_back(self) -> None:
        """Give it back, and wait until it can be reached."""
        pod = self.kubectl.items("pods", selector=f"app={self.name}")[0]["metadata"]["name"]
        self.kubectl.exec(f"pod/{pod}", "rm", "-f", "/data/away")
        waiting.eventually(self.answers, why=f"{self.name} comes back")

    def send_work(
        self,
        seconds: Sequence[float],
        *,
        queue: str = "default",
        priority: int | None = None,
        countdown_s: float | None = None,
    ) -> list[str]:
        """Publish one task per duration over one connection; returns their ids."""
        options = {"queue": queue, "priority": priority, "countdown": countdown_s}
        with Celery(broker=self.host_url, set_as_current=False) as app:
            return [app.send_task(_TASK, [each], **options).id for each in seconds]

    def consumed_queues(self) -> dict[str, list[str]]:
        """What each worker says that it consumes, by its node name."""
        with Celery(broker=self.host_url, set_as_current=False) as app:
            found = app.control.inspect(timeout=2).active_queues() or {}
        return {node: sorted(each["name"] for each in queues) for node, queues in found.items()}

    def events(self) -> list[Event]:
        """What the test application logged here so far, in the order of arrival."""
        with self.client() as client:
            return [Event(**json.loads(each)) for each in client.lrange(_LOG_KEY, 0, -1)]
