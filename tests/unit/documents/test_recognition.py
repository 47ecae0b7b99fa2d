"""Pages that lie on their side, upside down or askew are read like those that lie straight."""

from collections.abc import Iterator

import pytest

from app.documents.pdf.recognition import Drawing, PageRecognizer
from tests import pdfs

LINES = (
    "The harbour master counted nine ships at dawn,",
    "and the clerk wrote down the name of each of them.",
    "Seven of them carried timber and two carried grain.",
    "None of the captains had been to this harbour before,",
    "so every one of them was asked to sign the register.",
    "The register is kept in the office above the market.",
    "Visitors may read it on the first Monday of a month.",
)


@pytest.fixture(scope="module")
def recognizer() -> Iterator[PageRecognizer]:
    found = PageRecognizer(languages="eng", folder=None, threads=1)
    yield found
    found.close()


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 4, -4])
def test_a_turned_page_is_read(recognizer: PageRecognizer, degrees: int) -> None:
    page = pdfs.scan(LINES, size=(1240, 900)).rotate(degrees, expand=True, fillcolor=255)
    drawing = Drawing(
        pixels=page.tobytes(), width=page.width, height=page.height, stride=page.width, dpi=150
    )
    text = recognizer.read(drawing).result()
    wanted = " ".join(LINES).split()
    missing = [word for word in wanted if word not in text.split()]
    assert len(missing) <= 2, missing
