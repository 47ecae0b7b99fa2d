"""The resource that a target's kind is served as, and whether it has a `/scale`."""

from collections.abc import Callable
from dataclasses import dataclass

from app.control.pool.problems import PoolProblem, ProblemReason
from app.control.pool.references import ScaleTargetRef
from app.errors import NotFound
from app.operator.kubernetes.apiserver import ApiServer, group_path

ABSENT_KEPT_S = 30.0
"""A missing kind is looked up again after this time: its CRD may have been installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltinWorkload:
    """A kind that comes with Kubernetes: the operator watches it."""

    api_version: str
    kind: str
    plural: str


WATCHED = (
    BuiltinWorkload(api_version="apps/v1", kind="Deployment", plural="deployments"),
    BuiltinWorkload(api_version="apps/v1", kind="StatefulSet", plural="statefulsets"),
)


class ScalableKinds:
    """Looks up the plural of each kind once, and explains why a kind cannot be scaled."""

    def __init__(self, server: ApiServer, *, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock
        self._plurals = {(each.api_version, each.kind): each.plural for each in WATCHED}
        self._problems: dict[tuple[str, str], tuple[float, str]] = {}

    async def plural(self, target: ScaleTargetRef) -> str:
        """The plural under which a target's kind is served.

        Raises `PoolProblem` (`TARGET_NOT_SCALABLE`) where there is none, or none with a `/scale`.
        """
        wanted = (target.api_version, target.kind)
        if wanted not in self._plurals:
            self._raise_known_problem(wanted)
            try:
                self._plurals[wanted] = await self._discover(target)
            except PoolProblem as problem:
                self._problems[wanted] = (self._clock() + ABSENT_KEPT_S, str(problem))
                raise
        return self._plurals[wanted]

    def _raise_known_problem(self, wanted: tuple[str, str]) -> None:
        until_s, problem = self._problems.get(wanted, (0.0, ""))
        if self._clock() < until_s:
            raise PoolProblem(ProblemReason.TARGET_NOT_SCALABLE, problem)

    async def _discover(self, target: ScaleTargetRef) -> str:
        version = target.api_version
        root = group_path(version)
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
