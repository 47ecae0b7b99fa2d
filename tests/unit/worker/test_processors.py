"""How many processors a process may use, from the files that Linux tells it by."""

import os
from pathlib import Path

import pytest

from app.worker import processors

OWN = float(len(os.sched_getaffinity(0)))
"""What this machine allows: no quota makes it more."""


@pytest.mark.parametrize(
    ("processor_count", "slots", "want"),
    [
        pytest.param(1.0, 1, 1, id="one each"),
        pytest.param(8.0, 3, 2, id="what is left over is nobody's"),
        pytest.param(0.5, 1, 1, id="half a processor is one thread"),
        pytest.param(4.0, 16, 1, id="never none"),
        pytest.param(2.0, 0, 2, id="no slots count as one"),
        pytest.param(128.0, 1, 16, id="a whole large machine is not used up"),
    ],
)
def test_slots_share_the_processors(processor_count: float, slots: int, want: int) -> None:
    assert processors.threads_per_slot(processors=processor_count, slots=slots) == want


@pytest.mark.parametrize(
    ("own_groups", "files", "want"),
    [
        pytest.param("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5, id="a container's own root"),
        pytest.param("0::/\n", {"cpu.max": "max 100000\n"}, OWN, id="no quota"),
        pytest.param("0::/a/b\n", {"a/cpu.max": "25000 100000"}, 0.25, id="of a group above"),
        pytest.param(
            "0::/a\n", {"a/cpu.max": "90000 100000", "cpu.max": "10000 100000"}, 0.1, id="smallest"
        ),
        pytest.param("0::/a\n", {"b/cpu.max": "10000 100000"}, OWN, id="not of a neighbour"),
        pytest.param(
            "4:memory:/a\n3:cpu,cpuacct:/a\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "40000", "cpu,cpuacct/a/cpu.cfs_period_us": "80000"},
            0.5,
            id="version 1",
        ),
        pytest.param(
            "3:cpu,cpuacct:/docker/x\n",
            {"cpu/cpu.cfs_quota_us": "30000", "cpu/cpu.cfs_period_us": "100000"},
            0.3,
            id="version 1 seen from inside of a container",
        ),
        pytest.param(
            "3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "1"}, OWN, id="-1"
        ),
        pytest.param("", {}, OWN, id="no groups at all"),
    ],
)
def test_the_smallest_quota_above_counts(
    tmp_path: Path, own_groups: str, files: dict[str, str], want: float
) -> None:
    for name, content in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (tmp_path / "own").write_text(own_groups)
    found = processors.available(root=tmp_path / "groups", own_groups=tmp_path / "own")
    assert found == pytest.approx(min(want, OWN))
