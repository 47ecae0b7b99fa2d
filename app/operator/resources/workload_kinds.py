"""Where the API server keeps objects of a kind, and whether they have a `/scale`."""

from collections.abc import Callable
from dataclasses import dataclass

from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.spec import ScaleTargetRef
from app.errors import NotFound
from app.operator.kubernetes.apiserver import ApiServer

FORGET_ABSENT_S = 30.0
"""A kind that was not there is looked for again after this: its CRD may have been installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A kind that comes with Kubernetes: the operator watches it instead of asking each time."""

    api_version: str
    kind: str
    plural: str


WATCHED = (
    Workload(api_version="apps/v1", kind="Deployment", plural="deployments"),
    Workload(api_version="apps/v1", kind="StatefulSet", plural="statefulsets"),
)


def path(api_version: str, plural: str, *, namespace: str | None, name: str = "") -> str:
    """The path of a list, or of one object; without a namespace that of the whole cluster."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    where = f"/namespaces/{namespace}" if namespace is not None else ""
    return f"{root}{where}/{plural}" + (f"/{name}" if name else "")


class Kinds:
    """Looks up the plural of a kind once, and says what is wrong with one that cannot be scaled."""

    def __init__(self, server: ApiServer, *, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock
        self._plurals = {(each.api_version, each.kind): each.plural for each in WATCHED}
        self._problems: dict[tuple[str, str], tuple[float, str]] = {}

    async def plural(self, target: ScaleTargetRef) -> str:
        """The resource that a target's kind is served as.

        Raises `PoolProblem` (`TARGET_NOT_SCALABLE`) where there is none, or none with a `/scale`.
        """
        wanted = (target.api_version, target.kind)
        if wanted not in self._plurals:
            self._raise_known_problem(wanted)
            try:
                self._plurals[wanted] = await self._discover(target)
            except PoolProblem as problem:
                self._problems[wanted] = (self._clock() + FORGET_ABSENT_S, str(problem))
                raise
        return self._plurals[wanted]

    def _raise_known_problem(self, wanted: tuple[str, str]) -> None:
        until_s, problem = self._problems.get(wanted, (0.0, ""))
        if self._clock() < until_s:
            raise PoolProblem(ProblemReason.TARGET_NOT_SCALABLE, problem)

    async def _discover(self, target: ScaleTargetRef) -> str:
        version = target.api_version
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        try:
            resources = (await self._server.get(root)).get("resources") or ()
        except NotFound:
            resources = ()
        names: list[str] = [each["name"] for each in resources if each.get("kind") == target.kind]
        plural = next((name for name in names if "/" not in name), None)
        if plural is None:
            raise PoolProblem(
                ProblemReason.TARGET_NOT_SCALABLE,
                f"this cluster has no kind {target.kind} in {version}: "
                "correct spec.scaleTargetRef, or install its CustomResourceDefinition",
            )
        served = {each["name"] for each in resources}
        if f"{plural}/scale" not in served:
            raise PoolProblem(
                ProblemReason.TARGET_NOT_SCALABLE,
                f"a {target.kind} has no /scale: name a Deployment, a StatefulSet or another kind "
                "that has one in spec.scaleTargetRef",
            )
        return plural
