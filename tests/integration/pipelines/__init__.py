"""The pipelines against real sites, real ffmpeg and real files."""
