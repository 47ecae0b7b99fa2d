"""Slides show everything that is said, and what is said just now stands out."""

from pathlib import Path

from PIL import Image, ImageStat

from app.pipelines.video import slides
from app.pipelines.video.script import Scene, Script

ROWS = ((96, 180, 1200, 235), (96, 245, 1200, 310))
"""Where the first and the second sentence of a slide stand."""


def brightest(picture: Path) -> list[float]:
    with Image.open(picture) as found:
        assert found.size == slides.SIZE
        gray = found.convert("L")
        return [ImageStat.Stat(gray.crop(row)).extrema[0][1] for row in ROWS]


def test_the_sentence_that_is_said_stands_out(tmp_path: Path) -> None:
    scene = Scene(heading="Methods", sentences=("We grew plants.", "It took weeks."))
    one, other = slides.draw(Script(scenes=(scene,), source="PubMed 1"), tmp_path)
    assert (one.narration, other.narration) == scene.sentences
    first, then = brightest(one.picture), brightest(other.picture)
    assert first[0] > 230 > 170 > first[1]
    assert then[1] > 230 > 170 > then[0]


def test_a_title_of_any_length_leaves_room_for_the_source(tmp_path: Path) -> None:
    title = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 3 + " and more words" * 60
    scene = Scene(heading=title, sentences=("Nobody " * 80,), is_title=True)
    found = list(slides.draw(Script(scenes=(scene,), source="PubMed 1"), tmp_path))
    assert [slide.narration for slide in found] == [title, scene.sentences[0]]
    with Image.open(found[0].picture) as picture:
        band = picture.convert("L").crop((96, 610, 1280, 665))
        right = picture.convert("L").crop((1190, 0, 1280, 640))
    assert band.getextrema() == right.getextrema()
    assert band.getextrema()[0] == band.getextrema()[1]


def test_what_does_not_fit_goes_to_the_next_slide(tmp_path: Path) -> None:
    said = tuple(f"Sentence {number} " + "of several words " * 8 + "." for number in range(6))
    scene = Scene(heading="Results", sentences=said)
    found = list(slides.draw(Script(scenes=(scene,), source="PubMed 1"), tmp_path))
    assert tuple(slide.narration for slide in found) == said
    first, last = brightest(found[0].picture), brightest(found[-1].picture)
    assert first[0] > 230
    assert last != first
