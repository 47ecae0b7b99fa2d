"""The program that prepares a picture for a model: `python -m app.documents.picture SOURCE TARGET
LIMITS`.

It prints facts (`items.to_json`), and writes a PNG within the limits. For a picture that cannot be
used it prints a `Refusal` and exits with code 0. LIMITS is a JSON object with the fields of
`PictureLimits`.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from app.documents import items
from app.documents.items import Fact, Item, Refusal
from app.errors import InvalidInput, LimitExceeded, PermanentError, UnsupportedFormat

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""By content; what the file is called does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """The caps. Memory and time are held by whoever runs the program."""

    pixels: int
    """More are refused before anything is decoded."""
    edge: int
    """Longest edge of what is written, in pixels."""


def main() -> None:
    source, target, limits = sys.argv[1:]
    for item in shrunk(Path(source), Path(target), PictureLimits(**json.loads(limits))):
        sys.stdout.write(json.dumps(items.to_json(item)) + "\n")


def shrunk(source: Path, target: Path, limits: PictureLimits) -> Iterator[Item]:
    """The items of the picture; `target` exists when none of them is a refusal."""
    # Pillow's own limit warns first and is global; ours is an error of its own, below.
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield from _shrunk(source, target, limits)
    except PermanentError as error:
        yield Refusal(error=error.type, message=str(error))


def _shrunk(source: Path, target: Path, limits: PictureLimits) -> Iterator[Item]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, which is not used
            with Image.open(source, formats=FORMATS) as picture:
                _check_size(picture, limits)
                yield Fact(name="format", value=str(picture.format).lower())
                yield Fact(name="size", value=list(picture.size))
                whole = _flat(picture, edge=limits.edge)
    except UnidentifiedImageError as error:
        raise UnsupportedFormat("not a picture that is read here") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InvalidInput(f"the picture is damaged: {error}") from error
    whole.save(target, "PNG")
    yield Fact(name="sent_size", value=list(whole.size))


def _check_size(picture: Image.Image, limits: PictureLimits) -> None:
    width, height = picture.size
    if width * height > limits.pixels:
        raise LimitExceeded(
            f"the picture has {width} x {height} pixels, and {limits.pixels} are the most"
        )


def _flat(picture: Image.Image, *, edge: int) -> Image.Image:
    """The first frame, upright, on white, no longer than `edge`."""
    picture.draft("RGB", (edge, edge))  # a JPEG is decoded smaller at once
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("I", "F", "I;16"):
        upright = upright.convert("L")
    upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    upright.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    if upright.mode == "RGBA":
        ground = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(ground, upright).convert("RGB")
    return upright


if __name__ == "__main__":
    main()
