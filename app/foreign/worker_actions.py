"""What workers can be told to do, by Celery's remote control."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.broker.model import NodeName
from app.broker.workers.pidbox import Pidbox, Reply, Request
from app.errors import InvalidInput

LARGEST_POOL = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The answers of workers to a command."""

    done: tuple[str, ...]
    """Those that have confirmed it."""
    refused: Mapping[str, str]
    """Those that have refused it, each with its reason."""
    silent: tuple[str, ...]
    """Those that have not answered in time: they may do it later."""


class WorkerActions:
    """Commands to the workers of one application. Each raises BrokerUnreachable."""

    def __init__(self, pidbox: Pidbox) -> None:
        self._pidbox = pidbox

    async def resize(self, node: NodeName, *, by: int) -> Acknowledged:
        """Add slots, or remove them if `by` is negative."""
        if not 0 < abs(by) <= LARGEST_POOL:
            raise InvalidInput(f"a pool grows or shrinks by 1 to {LARGEST_POOL} slots")
        method = "pool_grow" if by > 0 else "pool_shrink"
        return await self._tell([node], method, n=abs(by))

    async def consume(self, nodes: Collection[NodeName], queue: str) -> Acknowledged:
        """Start consuming a queue. A worker discards messages of tasks that it does not know."""
        return await self._tell(nodes, "add_consumer", queue=queue)

    async def stop_consuming(self, nodes: Collection[NodeName], queue: str) -> Acknowledged:
        """Stop consuming a queue. What is already fetched still runs."""
        return await self._tell(nodes, "cancel_consumer", queue=queue)

    async def limit_rate(self, nodes: Collection[NodeName], task: str, rate: str) -> Acknowledged:
        """Limit the starts of a task on each worker: `10/m`, or `0` for no limit."""
        return await self._tell(nodes, "rate_limit", task_name=task, rate_limit=rate)

    async def limit_time(
        self, nodes: Collection[NodeName], task: str, *, soft_s: float | None, hard_s: float | None
    ) -> Acknowledged:
        """Limit the run time of a task, in seconds."""
        return await self._tell(nodes, "time_limit", task_name=task, soft=soft_s, hard=hard_s)

    async def shut_down(self, node: NodeName) -> None:
        """End a worker once its running tasks have ended. It does not answer."""
        await self._pidbox.call([Request(method="shutdown")], [node])

    async def restart_pool(self, node: NodeName) -> Acknowledged:
        """Restart the processes of a worker, if its setting `worker_pool_restarts` allows that."""
        return await self._tell([node], "pool_restart", modules=None, reload=False, reloader=None)

    async def revoke(
        self, nodes: Collection[NodeName], task_ids: Collection[str], *, terminate: bool = False
    ) -> Acknowledged:
        """Revoke tasks: workers drop them when they get them. `terminate` also ends those that run,
        on workers with processes."""
        return await self._tell(
            nodes, "revoke", task_id=list(task_ids), terminate=terminate, signal="SIGTERM"
        )

    async def _tell(
        self, nodes: Collection[NodeName], method: str, **arguments: object
    ) -> Acknowledged:
        request = Request(method=method, arguments=arguments)
        replies = await self._pidbox.call([request], nodes) if nodes else {}
        done, refused = [], {}
        for node, given in replies.items():
            answer = given.get(request.ticket)
            reason = _refusal(answer)
            if reason is None:
                done.append(str(node))
            else:
                refused[str(node)] = reason
        return Acknowledged(
            done=tuple(sorted(done)),
            refused=refused,
            silent=tuple(sorted(str(node) for node in nodes if node not in replies)),
        )


def _refusal(answer: Reply) -> str | None:
    if isinstance(answer, Mapping) and "error" in answer:
        return str(answer["error"])
    return None
