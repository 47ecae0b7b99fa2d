"""Draw the slides: one per sentence, which is highlighted among those of its scene."""

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from app.errors import NotConfigured
from app.pipelines.video.script import Scene, Script

SIZE = (1280, 720)

_MARGIN, _TOP, _BOTTOM, _GAP = 96, 72, 600, 18
"""The space below `_BOTTOM` is for the source and for captions."""

_HEADING_SIZES, _TEXT_SIZES = (52, 46, 40, 34, 30, 26), (38, 34, 30, 27, 24, 21)
_LINE_RATIO = 1.35

_GROUND, _BAR, _HEADING, _SPOKEN, _QUIET = "#10243a", "#3fb6a8", "#ffffff", "#f4f7fa", "#7f93a8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """A picture and the sentence spoken with it."""

    picture: Path
    narration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    heading: str
    sentences: tuple[str, ...]
    is_title: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    lines: tuple[str, ...]
    font: FreeTypeFont

    @property
    def height(self) -> float:
        return len(self.lines) * self.font.size * _LINE_RATIO


def draw(script: Script, folder: Path) -> Iterator[Slide]:
    """Draw the slides in order and write each to the folder."""
    pages = [page for scene in script.scenes for page in _pages(scene)]
    number = 0
    for place, page in enumerate(pages):
        spoken = (page.heading, *page.sentences) if page.is_title else page.sentences
        for narration in spoken:
            picture = folder / f"slide-{number:03}.png"
            _drawn(page, narration, script.source, f"{place + 1} / {len(pages)}").save(picture)
            yield Slide(picture=picture, narration=narration)
            number += 1


def _pages(scene: Scene) -> Iterator[_Page]:
    """Group sentences by what fits on a page at the second size; a long one is alone."""
    if scene.is_title:
        yield _Page(heading=scene.heading, sentences=scene.sentences, is_title=True)
        return
    page: list[str] = []
    for sentence in scene.sentences:
        if page and not _fits(scene.heading, [*page, sentence], _TEXT_SIZES[1]):
            yield _Page(heading=scene.heading, sentences=tuple(page), is_title=False)
            page = []
        page.append(sentence)
    if page:
        yield _Page(heading=scene.heading, sentences=tuple(page), is_title=False)


def _drawn(page: _Page, narration: str, source: str, place: str) -> Image.Image:
    picture = Image.new("RGB", SIZE, _GROUND)
    canvas = ImageDraw.Draw(picture)
    canvas.rectangle((0, 0, 20, SIZE[1]), fill=_BAR)
    heading = _heading(page)
    y = float(_TOP if not page.is_title else max(_TOP, (_BOTTOM - heading.height) / 2 - 60))
    y = _write(canvas, heading, y, _HEADING)
    canvas.rectangle((_MARGIN, y + 8, _MARGIN + 160, y + 14), fill=_BAR)
    y += 40
    for sentence, block in zip(page.sentences, _blocks(page), strict=True):
        is_spoken = sentence == narration or page.is_title
        y = _write(canvas, block, y, _SPOKEN if is_spoken else _QUIET) + _GAP
    small = _font("DejaVuSans.ttf", 20)
    canvas.text((_MARGIN, SIZE[1] - 48), source, font=small, fill=_QUIET)
    canvas.text((SIZE[0] - _MARGIN, SIZE[1] - 48), place, font=small, fill=_QUIET, anchor="ra")
    return picture


def _write(canvas: ImageDraw.ImageDraw, block: _Block, y: float, color: str) -> float:
    for line in block.lines:
        canvas.text((_MARGIN, y), line, font=block.font, fill=color)
        y += block.font.size * _LINE_RATIO
    return y


def _heading(page: _Page) -> _Block:
    room = (_BOTTOM - _TOP) * (0.6 if page.is_title else 0.3)
    return _largest([page.heading], "DejaVuSans-Bold.ttf", _HEADING_SIZES, room)[0]


def _blocks(page: _Page) -> list[_Block]:
    room = _BOTTOM - _TOP - _heading(page).height - 40
    sizes = _TEXT_SIZES[1:] if page.is_title else _TEXT_SIZES
    return _largest(page.sentences, "DejaVuSans.ttf", sizes, room)


def _largest(
    texts: Sequence[str], font_name: str, sizes: Sequence[int], room: float
) -> list[_Block]:
    """The texts at the largest size that fits; cut off at the smallest."""
    blocks: list[_Block] = []
    for size in sizes:
        font = _font(font_name, size)
        blocks = [_Block(lines=tuple(_wrapped(text, font)), font=font) for text in texts]
        if _height(blocks) <= room:
            return blocks
    return [_cut_off(block, room / max(1, len(blocks))) for block in blocks]


def _fits(heading: str, sentences: Sequence[str], size: int) -> bool:
    page = _Page(heading=heading, sentences=tuple(sentences), is_title=False)
    font = _font("DejaVuSans.ttf", size)
    blocks = [_Block(lines=tuple(_wrapped(text, font)), font=font) for text in sentences]
    return _height(blocks) <= _BOTTOM - _TOP - _heading(page).height - 40


def _height(blocks: Sequence[_Block]) -> float:
    return sum(block.height + _GAP for block in blocks) - _GAP


def _cut_off(block: _Block, room: float) -> _Block:
    most = max(1, int(room // (block.font.size * _LINE_RATIO)))
    if len(block.lines) <= most:
        return block
    *lines, last = block.lines[:most]
    return _Block(lines=(*lines, last.rstrip(" .,;") + " \u2026"), font=block.font)


def _wrapped(text: str, font: FreeTypeFont) -> Iterator[str]:
    width = SIZE[0] - 2 * _MARGIN
    line = ""
    for word in _words(text, font, width):
        longer = f"{line} {word}" if line else word
        if line and font.getlength(longer) > width:
            yield line
            longer = word
        line = longer
    if line:
        yield line


def _words(text: str, font: FreeTypeFont, width: float) -> Iterator[str]:
    """The words; one longer than a line is split."""
    for word in text.split():
        while font.getlength(word) > width:
            most = max(1, int(len(word) * width / font.getlength(word)) - 1)
            yield word[:most]
            word = word[most:]
        yield word


@cache
def _font(name: str, size: int) -> FreeTypeFont:
    """DejaVu from matplotlib's data, with Latin, Greek, Cyrillic and mathematics. matplotlib itself
    is not imported: that is slow."""
    home = importlib.util.find_spec("matplotlib")
    folders = (home.submodule_search_locations or []) if home is not None else []
    for folder in folders:
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return ImageFont.truetype(path, size)
    raise NotConfigured("no fonts to draw slides with: install celeriac[pipelines]")
