"""How yt-dlp fetches a media file into the work's folder: resumable, measured, within limits."""

from typing import Any

from app.jobs.model.work import Work
from app.pipelines.media import page
from app.pipelines.media.meter import Meter


def options(
    work: Work, *, wanted: str, span: tuple[float, float] | None, name: str = "source"
) -> dict[str, Any]:  # Any: yt-dlp's options
    """Fetch what the format `wanted` selects. Its progress goes through the span of percents;
    without one nothing is told."""
    return {
        **page.guarded_options(work),
        "format": wanted,
        "outtmpl": {"default": f"{name}-%(format_id)s.%(ext)s"},
        "paths": {"home": str(work.directory)},
        "restrictfilenames": True,
        "trim_file_name": 80,
        "progress_hooks": [_hook(work, span)],
        "fragment_retries": page.RETRIES,
        "skip_unavailable_fragments": False,
        "hls_prefer_native": True,
        "fixup": "never",
        "updatetime": False,
    }


def _hook(work: Work, span: tuple[float, float] | None) -> Any:  # a function that yt-dlp calls
    meter = Meter(limit_bytes=work.platform.settings.files.download_limit_bytes)
    start, end = span or (0.0, 0.0)
    percent = start

    def report(told: dict[str, Any]) -> None:
        nonlocal percent
        reading = meter.read(told)
        if span is None:
            work.check()
            return
        if reading.done_ratio is not None:
            percent = max(percent, start + reading.done_ratio * (end - start))
        work.progress(percent, reading.message, speed=reading.speed, eta_seconds=reading.eta_s)

    return report
