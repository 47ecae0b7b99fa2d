"""Names and folders of work."""

from pathlib import Path

import pytest

from app.errors import InvalidInput, StorageUnavailable
from app.jobs.run import workspace


@pytest.mark.parametrize("name", ["song.mp3", "a b.txt", "\N{SNOWMAN}.png", ".hidden", "x" * 255])
def test_a_file_name_can_name_an_artifact(name: str) -> None:
    assert workspace.checked_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\nb", "a\x00", "x" * 256])
def test_what_is_no_file_name_cannot(name: str) -> None:
    with pytest.raises(InvalidInput):
        workspace.checked_name(name)


def test_folder_is_made_and_kept(tmp_path: Path) -> None:
    first = workspace.folder(tmp_path / "temp", "key")
    (first / "file").touch()

    assert list(workspace.folder(tmp_path / "temp", "key").iterdir()) == [first / "file"]


@pytest.mark.parametrize("key", ["..", ".", "../other", "/etc", "a/b", "", "a\x00", "x" * 300])
def test_no_key_leads_out_of_the_folder_for_temporary_files(tmp_path: Path, key: str) -> None:
    found = workspace.folder(tmp_path / "temp", key)

    assert found.parent == tmp_path / "temp"
    assert found == workspace.folder(tmp_path / "temp", key)


def test_a_folder_that_cannot_be_made_may_be_later(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("a file in its place")

    with pytest.raises(StorageUnavailable):
        workspace.folder(tmp_path / "temp", "key")
