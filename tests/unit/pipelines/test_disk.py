"""Names that stay in their folder, and disks that are full."""

import errno
from pathlib import Path

import pytest

from app.errors import InvalidInput, StorageUnavailable
from app.pipelines import disk


@pytest.mark.parametrize("name", ["a", "a/b", "a/../b", "./a", "..a", ""])
def test_a_name_inside_is_taken(tmp_path: Path, name: str) -> None:
    assert disk.confined(tmp_path, name).is_relative_to(tmp_path)


@pytest.mark.parametrize("name", ["..", "../a", "a/../../b", "/etc/passwd", "a\x00b", "x" * 9000])
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        disk.confined(tmp_path / "inner", name)


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidInput):
        disk.confined(tmp_path / "inner", "link/file")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_tried_again_later(code: int) -> None:
    with pytest.raises(StorageUnavailable, match="TEMP_DIR"), disk.full_disk_retried():
        raise OSError(code, "full")


def test_other_errors_of_the_disk_stay_what_they_are() -> None:
    with pytest.raises(PermissionError), disk.full_disk_retried():
        raise PermissionError(errno.EACCES, "no")
