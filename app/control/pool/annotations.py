"""What is asked of a pool by annotation (`kubectl annotate wp/shop celeriac.dev/paused=true`)."""

import difflib
from collections.abc import Callable, Iterator, Mapping

from app.control.pool.problems import Finding, PoolProblem, ProblemReason
from app.control.pool.spec import GROUP
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
CELERY_POOL = f"{GROUP}/celery-pool"
"""For local pools: what `celery worker --pool` gets, a name of Celery's or the dotted path of a
class. Without it the application's configuration decides. In a cluster the target does."""

KNOWN = (
    *(PAUSED, PAUSED_REPLICAS, PAUSED_SCALE_IN, PAUSED_SCALE_OUT, FORCE_ACTIVATION),
    CELERY_POOL,
)

_TRUTH = {"true": True, "false": False}
_SIMILAR_RATIO = 0.6
"""Of the part behind the prefix; difflib's own default."""


def override(annotations: Mapping[str, str], *, replicas: int | None) -> Override:
    """What somebody has asked for by hand; `replicas` is the pool's own `spec.replicas`.

    Raises:
        PoolProblem: one of our annotations has a value that cannot be used (`INVALID_ANNOTATION`).
    """
    paused_at = _number(annotations, PAUSED_REPLICAS)
    return Override(
        is_paused=_flag(annotations, PAUSED) or paused_at is not None,
        replicas=paused_at if paused_at is not None else replicas,
        is_shrinking_paused=_flag(annotations, PAUSED_SCALE_IN),
        is_growing_paused=_flag(annotations, PAUSED_SCALE_OUT),
        is_activated=_flag(annotations, FORCE_ACTIVATION),
    )


def findings(annotations: Mapping[str, str]) -> Iterator[Finding]:
    """Every annotation of ours that has no meaning, or a value that cannot be used."""
    for name in sorted(annotations):
        try:
            _check(annotations, name)
        except PoolProblem as problem:
            yield problem.finding


def _check(annotations: Mapping[str, str], name: str) -> None:
    if name == CELERY_POOL:
        return
    if name in KNOWN:
        read: Callable[[Mapping[str, str], str], object]
        read = _number if name == PAUSED_REPLICAS else _flag
        read(annotations, name)
    elif name.startswith(f"{GROUP}/"):
        raise PoolProblem(ProblemReason.UNKNOWN_ANNOTATION, _correction(name))


def _correction(name: str) -> str:
    """
    >>> _correction("celeriac.dev/paussed")
    'the annotation celeriac.dev/paussed has no effect; did you mean celeriac.dev/paused?'
    """
    known = {each.removeprefix(f"{GROUP}/"): each for each in KNOWN}
    written = name.removeprefix(f"{GROUP}/")
    similar = difflib.get_close_matches(written.lower(), known, n=1, cutoff=_SIMILAR_RATIO)
    if similar:
        way_out = f"did you mean {known[similar[0]]}?"
    else:
        way_out = f"the annotations of a pool are {', '.join(KNOWN)}"
    return f"the annotation {name} has no effect; {way_out}"


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
        ProblemReason.INVALID_ANNOTATION, f"the annotation {name} is {text!r}: write {wanted}"
    )
