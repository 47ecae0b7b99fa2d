"""The pipelines: what needs no network, no ffmpeg and no store."""
