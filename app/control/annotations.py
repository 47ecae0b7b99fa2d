"""What is asked of a pool by annotation (`kubectl annotate wp/shop celeriac.dev/paused=true`)."""

from collections.abc import Mapping

from app.control.problems import PoolProblem, ProblemReason
from app.control.spec import GROUP
from app.scaling.policy import Override

PAUSED = f"{GROUP}/paused"
"""`true`: the size stays as it is."""
PAUSED_REPLICAS = f"{GROUP}/paused-replicas"
"""A number: the size is this until the annotation is taken off."""
PAUSED_SCALE_IN = f"{GROUP}/paused-scale-in"
"""`true`: the pool does not shrink."""
PAUSED_SCALE_OUT = f"{GROUP}/paused-scale-out"
"""`true`: the pool does not grow."""
FORCE_ACTIVATION = f"{GROUP}/force-activation"
"""`true`: the pool keeps at least one replica."""

_TRUTH = {"true": True, "false": False}


def override(annotations: Mapping[str, str], *, replicas: int | None) -> Override:
    """What somebody has asked for by hand; `replicas` is the pool's own `spec.replicas`.

    Raises:
        PoolProblem: an annotation of ours has a value that says nothing (`INVALID_ANNOTATION`).
    """
    paused_at = _number(annotations, PAUSED_REPLICAS)
    return Override(
        is_paused=_flag(annotations, PAUSED) or paused_at is not None,
        replicas=paused_at if paused_at is not None else replicas,
        is_shrinking_paused=_flag(annotations, PAUSED_SCALE_IN),
        is_growing_paused=_flag(annotations, PAUSED_SCALE_OUT),
        is_activated=_flag(annotations, FORCE_ACTIVATION),
    )


def _flag(annotations: Mapping[str, str], name: str) -> bool:
    text = annotations.get(name, "false")
    value = _TRUTH.get(text.strip().lower())
    if value is None:
        raise _invalid(name, text, wanted="true or false")
    return value


def _number(annotations: Mapping[str, str], name: str) -> int | None:
    text = annotations.get(name)
    if text is None:
        return None
    if not text.strip().isdecimal():
        raise _invalid(name, text, wanted="a number of replicas")
    return int(text)


def _invalid(name: str, text: str, *, wanted: str) -> PoolProblem:
    return PoolProblem(
        ProblemReason.INVALID_ANNOTATION, f"annotation {name} is {text!r}: write {wanted}"
    )
