"""What yt-dlp tells of a transfer, as progress, and the limits."""

from typing import Any

import pytest

from app.errors import LimitExceeded
from app.pipelines.media import download
from app.pipelines.media.download import FRAGMENT_LIMIT_BYTES, DownloadMeter, TransferReading

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("told", "want"),
    [
        pytest.param(
            {"downloaded_bytes": MIB, "total_bytes": 4 * MIB, "speed": 1.2 * MIB, "eta": 3},
            TransferReading(
                done_ratio=0.25, speed="1.2 MiB/s", eta_s=3, message="downloaded 1.0 MiB"
            ),
            id="everything is known",
        ),
        pytest.param(
            {"downloaded_bytes": MIB, "total_bytes": None, "speed": None, "eta": None},
            TransferReading(done_ratio=None, speed=None, eta_s=None, message="downloaded 1.0 MiB"),
            id="a server that tells no length",
        ),
        pytest.param(
            {},
            TransferReading(done_ratio=None, speed=None, eta_s=None, message="downloaded 0 B"),
            id="nothing is known",
        ),
        pytest.param(
            {"downloaded_bytes": MIB, "fragment_index": 3, "fragment_count": 4, "total_bytes": 1},
            TransferReading(done_ratio=0.75, speed=None, eta_s=None, message="downloaded 1.0 MiB"),
            id="fragments count more than bytes",
        ),
        pytest.param(
            {"downloaded_bytes": 5 * MIB, "total_bytes": 4 * MIB},
            TransferReading(done_ratio=1.0, speed=None, eta_s=None, message="downloaded 5.0 MiB"),
            id="more than was announced",
        ),
    ],
)
def test_a_report_is_read(told: dict[str, Any], want: TransferReading) -> None:
    assert DownloadMeter(limit_bytes=100 * MIB).read(told) == want


@pytest.mark.parametrize(
    "told", [{"downloaded_bytes": MIB + 1}, {"downloaded_bytes": 0, "total_bytes": MIB + 1}]
)
def test_more_than_the_limit_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded, match=r"larger than 1\.0 MiB"):
        DownloadMeter(limit_bytes=MIB).read(told)


def test_a_fragment_that_would_fill_the_memory_is_refused() -> None:
    counted = DownloadMeter(limit_bytes=10 * FRAGMENT_LIMIT_BYTES)
    counted.read({"downloaded_bytes": 0, "fragment_index": 1})
    counted.read({"downloaded_bytes": FRAGMENT_LIMIT_BYTES, "fragment_index": 1})
    counted.read({"downloaded_bytes": FRAGMENT_LIMIT_BYTES, "fragment_index": 2})
    counted.read({"downloaded_bytes": 2 * FRAGMENT_LIMIT_BYTES, "fragment_index": 2})
    with pytest.raises(LimitExceeded, match="fragment"):
        counted.read({"downloaded_bytes": 2 * FRAGMENT_LIMIT_BYTES + 1, "fragment_index": 2})


@pytest.mark.parametrize(
    ("size_bytes", "want"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1024**5, "1024.0 TiB")],
)
def test_sizes_are_told_in_units(size_bytes: float, want: str) -> None:
    assert download.size_text(size_bytes) == want
