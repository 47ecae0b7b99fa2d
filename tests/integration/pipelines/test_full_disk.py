"""A disk for temporary files that is really full."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from app.errors import StorageUnavailable
from app.pipelines.document import process
from app.pipelines.document.schema import DocumentParams
from app.pipelines.media import convert, download
from app.pipelines.media.schema import Downloaded, MediaParams
from app.pipelines.pdf import tasks as pdf_tasks
from app.pipelines.pdf.schema import PdfParams
from tests import pdfs
from tests.integration.pipelines.conftest import OpenWork
from tests.sites import media
from tests.sites.server import Site

DISK_BYTES = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_download_tells_it_and_goes_on_when_there_is_room(
    site: Site, open_work: OpenWork, small_disk: Path
) -> None:
    hog = small_disk / "hog"
    hog.write_bytes(bytes(DISK_BYTES // 2))
    params = MediaParams.model_validate({"url": f"{site.url}/media/clip.mp4"})
    with pytest.raises(StorageUnavailable, match="TEMP_DIR"):
        download.download(params, open_work(TEMP_DIR=str(small_disk)))

    hog.unlink()
    found = download.download(params, open_work(TEMP_DIR=str(small_disk)))

    assert found.size_bytes == (site.folder / "clip.mp4").stat().st_size
    assert (site.requests("/media/clip.mp4")[-1].range_start or 0) > 0


def test_a_download_into_a_full_device_tells_it(site: Site, open_work: OpenWork) -> None:
    work = open_work()
    (work.directory / "source-mp4.mp4.part").symlink_to("/dev/full")
    params = MediaParams.model_validate({"url": f"{site.url}/media/clip.mp4"})
    with pytest.raises(StorageUnavailable, match="TEMP_DIR"):
        download.download(params, work)


def test_a_conversion_tells_it(open_work: OpenWork, small_disk: Path) -> None:
    work = open_work(TEMP_DIR=str(small_disk))
    content = (media.folder() / "clip.mp4").read_bytes()
    (work.directory / "source.mp4").write_bytes(content)
    found = Downloaded(
        source_url="https://media.example/", file="source.mp4", size_bytes=0, name="clip"
    )
    with pytest.raises(StorageUnavailable, match="TEMP_DIR"):
        convert.convert(found, work)


def test_a_document_tells_it(open_work: OpenWork, small_disk: Path, tmp_path: Path) -> None:
    work = open_work(TEMP_DIR=str(small_disk))
    file = tmp_path / "upload"
    file.write_bytes(b"word " * (DISK_BYTES // 5) + os.linesep.encode())
    upload = work.stores.uploads.add(file, filename="a.txt", media_type="text/plain")
    params = DocumentParams(chatbot_id="bot", upload_id=upload.id)
    with pytest.raises(StorageUnavailable, match="TEMP_DIR"):
        process.process(params, work)


def test_the_pictures_of_a_pdf_tell_it(
    open_work: OpenWork, small_disk: Path, tmp_path: Path
) -> None:
    work = open_work(TEMP_DIR=str(small_disk))
    noise = Image.effect_noise((1500, 1500), 100)  # does not shrink
    (tmp_path / "storage").mkdir(exist_ok=True)
    (tmp_path / "storage" / "a.pdf").write_bytes(pdfs.drawn(pdfs.picture(noise, words="x")))
    with pytest.raises(StorageUnavailable, match="TEMP_DIR"):
        pdf_tasks.process(PdfParams(pdf_path="a.pdf"), work)
