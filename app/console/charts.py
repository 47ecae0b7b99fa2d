"""Charts as SVG text, made on the server: they stand in a page without script.

Positions are attributes, because the content security policy allows no inline styles. A time in
which nothing was known is a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.console import words
from app.console.history import SPAN_S, Sample

SHORTEST_S = 300.0
"""A chart of a process that has just started is no narrower than this."""

Point = tuple[float, float | None]
"""Seconds before now, and the value then."""

Known = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where values are drawn: the span ends now, at the right edge."""

    span_s: float
    width: int
    height: int
    top: float
    """The value at the upper edge."""
    margin: float = 2.0
    """Pixels above it."""

    def x(self, ago_s: float) -> float:
        return self.width * (1 - ago_s / self.span_s)

    def y(self, value: float) -> float:
        return self.height - (self.height - self.margin) * value / self.top

    def area(self, run: Sequence[Known]) -> str:
        line = " ".join(f"L{self.x(at):.1f},{self.y(value):.1f}" for at, value in run)
        first, last = self.x(run[0][0]), self.x(run[-1][0])
        return f"M{first:.1f},{self.height} {line} L{last:.1f},{self.height} Z"

    def steps(self, run: Sequence[Known]) -> str:
        (first_at, first), *further = run
        start = f"M{self.x(first_at):.1f},{self.y(first):.1f}"
        moves = (f"H{self.x(at):.1f} V{self.y(value):.1f}" for at, value in further)
        return " ".join((start, *moves))


def sparkline(samples: Sequence[Sample], name: str, *, now: datetime) -> str:
    """The ready messages of a queue, as an area."""
    points = [((now - one.at).total_seconds(), one.ready.get(name)) for one in samples]
    top = _highest(points)
    frame = Frame(span_s=_span_s(samples, now), width=120, height=24, top=top)
    shapes = "".join(f'<path class="area" d="{frame.area(run)}"/>' for run in known_runs(points))
    label = f"Ready messages, {words.number(top)} at most"
    size = f'viewBox="0 0 {frame.width} {frame.height}" width="{frame.width}"'
    return (
        f'<svg class="spark" {size} height="{frame.height}" role="img" aria-label="{label}">'
        f"{shapes}</svg>"
    )


def bars(counts: Sequence[int]) -> str:
    """A bar for each count of the last hour, oldest first."""
    width, height = 96, 24
    top, step = max(counts, default=0) or 1, width / max(len(counts), 1)
    shapes = "".join(
        f'<rect class="bar" x="{number * step:.1f}" y="{height - height * count / top:.1f}" '
        f'width="{step - 1:.1f}" height="{height * count / top:.1f}"/>'
        for number, count in enumerate(counts)
        if count
    )
    label = f"{words.plural(sum(counts), 'failure')} in the last hour"
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{label}">{shapes}</svg>'
    )


def pool_chart(samples: Sequence[Sample], name: str, *, now: datetime) -> str:
    """Backlog as an area; desired replicas as a line and actual ones as steps, on a scale of their
    own."""
    rows = [((now - one.at).total_seconds(), one.pools.get(name)) for one in samples]
    backlog, desired, actual = (
        [(at, None if row is None else row[column]) for at, row in rows] for column in range(3)
    )
    span_s, width, height = _span_s(samples, now), 960, 220
    messages = Frame(span_s=span_s, width=width, height=height - 20, top=_highest(backlog))
    replicas = Frame(
        span_s=span_s,
        width=width,
        height=height - 20,
        top=_highest([*desired, *actual]),
        margin=14.0,
    )
    paths = [
        *(("area", messages.area(run)) for run in known_runs(backlog)),
        *(("desired", replicas.steps(run)) for run in known_runs(desired)),
        *(("actual", replicas.steps(run)) for run in known_runs(actual)),
    ]
    shapes = "".join(f'<path class="{kind}" d="{path}"/>' for kind, path in paths)
    scale = (
        f"backlog up to {words.number(messages.top)} · replicas up to {words.number(replicas.top)}"
    )
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="Backlog, '
        f'desired and actual replicas">{shapes}{_ticks(messages)}'
        f'<text class="tick" x="4" y="12">{scale}</text></svg>'
    )


def _ticks(frame: Frame) -> str:
    quarters = (0.8, 0.6, 0.4, 0.2)
    return "".join(
        f'<text class="tick" x="{frame.x(frame.span_s * part):.0f}" y="{frame.height + 16}">'
        f"{words.duration(frame.span_s * part)} ago</text>"
        for part in quarters
    )


def known_runs(points: Sequence[Point]) -> list[list[Known]]:
    """The stretches in which the value was known."""
    found: list[list[Known]] = [[]]
    for at, value in points:
        if value is None:
            found.append([])
        else:
            found[-1].append((at, value))
    return [run for run in found if run]


def _highest(points: Sequence[Point]) -> float:
    return max((value for _, value in points if value is not None), default=0) or 1


def _span_s(samples: Sequence[Sample], now: datetime) -> float:
    oldest_s = (now - samples[0].at).total_seconds() if samples else 0.0
    return min(max(oldest_s, SHORTEST_S), SPAN_S)
