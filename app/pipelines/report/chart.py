"""A report as a picture: jobs by day and state, and run times by kind."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.jobs.model.job import JobState
from app.pipelines.report.schema import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    JobState.SUCCEEDED: "#3b8f5a",
    JobState.FAILED: "#c44536",
    JobState.CANCELLED: "#8a8a8a",
    JobState.RUNNING: "#2f6db3",
    JobState.QUEUED: "#a9c5e8",
}

KINDS_SHOWN = 15


def draw(report: Report, path: Path, *, cache: Path) -> None:
    """Draw the chart as PNG. `cache` is a folder for what the library keeps of the fonts."""
    cache.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MPLCONFIGDIR", str(cache))  # a container's home may not be written
    from matplotlib.figure import Figure  # half a second, for whoever draws

    # Figure alone, without pyplot: no window system, nothing shared with other threads.
    figure = Figure(figsize=(11, 8), layout="constrained")
    by_day, by_kind = figure.subplots(2, 1)
    figure.suptitle(f"Jobs from {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC")
    _draw_days(by_day, report)
    _draw_times(by_kind, report)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": "celeriac"})


def _draw_days(axes: "Axes", report: Report) -> None:
    days = report.jobs.days
    places = list(range(len(days)))
    floor = [0] * len(days)
    for state, colour in COLOURS.items():
        counts = [day.by_state.get(state.value, 0) for day in days]
        if any(counts):
            axes.bar(places, counts, bottom=floor, color=colour, label=state.value, width=0.85)
            floor = [below + count for below, count in zip(floor, counts, strict=True)]
    step = max(1, len(days) // 10)
    axes.set_xticks(places[::step], [day.date[5:] for day in days[::step]])
    axes.set_ylabel("jobs created")
    axes.margins(y=0.2)  # room for the legend
    _say_when_empty(axes, is_empty=report.jobs.total == 0)


def _draw_times(axes: "Axes", report: Report) -> None:
    timed = [(kind.kind, kind.run_time) for kind in report.jobs.kinds if kind.run_time is not None]
    timed.sort(key=lambda pair: pair[1].p95_s, reverse=True)
    shown = timed[:KINDS_SHOWN]
    places = list(range(len(shown)))
    axes.barh(places, [times.p95_s for _, times in shown], color="#c8d6e5", label="95 %")
    axes.barh(
        places, [times.p50_s for _, times in shown], color="#2f6db3", label="median", height=0.4
    )
    axes.set_yticks(places, [kind for kind, _ in shown])
    axes.invert_yaxis()
    axes.set_xlabel("run time in seconds")
    _say_when_empty(axes, is_empty=not shown)


def _say_when_empty(axes: "Axes", *, is_empty: bool) -> None:
    if is_empty:
        axes.text(0.5, 0.5, "nothing in this period", ha="center", transform=axes.transAxes)
    else:
        axes.legend(loc="best", frameon=False)
