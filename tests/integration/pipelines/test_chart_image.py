"""Pictures of charts: checked and shrunk by real Pillow, looked at by a real server."""

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageDraw

from app.errors import (
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    ModelRefused,
    NotFound,
    RateLimited,
    UnsupportedFormat,
)
from app.pipelines.chart_image import analyze
from app.pipelines.chart_image.schema import ChartAnalysis, ChartImageParams
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork
from tests.sites import models
from tests.sites.models import ModelServer

SEEN = {
    "is_chart": True,
    "instrument": "EUR/USD",
    "time_frame": "5m",
    "chart_type": "line",
    "trend": "up",
    "levels": [{"kind": "support", "price": 1.0725, "note": "twice touched"}],
    "patterns": [{"name": "Double bottom", "description": "at the left", "confidence": 0.7}],
    "indicators": ["EMA 20"],
    "summary": "The price rises.",
    "confidence": 0.8,
}


@pytest.fixture
def work(open_work: OpenWork, model_server: ModelServer) -> RecordedWork:
    model_server.answers.clear()
    model_server.asked.clear()
    model_server.default = models.tool(SEEN)
    return open_work(
        ANTHROPIC_API_KEY=models.KEY,
        ANTHROPIC_BASE_URL=model_server.url,
        OPENAI_API_KEY=models.KEY,
        OPENAI_BASE_URL=f"{model_server.url}/v1",
        CELERIAC_IMAGE_BYTES="3000000",
    )


def analyzed(
    work: RecordedWork, content: bytes, *, model: str = "claude-sonnet-4"
) -> ChartAnalysis:
    """Upload the picture and have it looked at."""
    upload = work.directory.parent / "upload"
    upload.write_bytes(content)
    kept = work.stores.uploads.add(upload, filename="a.png", media_type="image/png")
    upload.unlink()
    params = ChartImageParams.model_validate({"upload_id": kept.id, "model": model})
    return analyze.analyze(params, work)


def chart(width: int = 640, height: int = 400, *, form: str = "PNG", mode: str = "RGB") -> bytes:
    picture = Image.new(mode, (width, height))
    drawing = ImageDraw.Draw(picture)
    drawing.line([(0, height), (width / 2, height / 3), (width, 0)], fill=255, width=3)
    buffer = io.BytesIO()
    picture.save(buffer, form)
    return buffer.getvalue()


def shown(model_server: ModelServer) -> Image.Image:
    """The picture that the model saw."""
    [asked] = model_server.asked
    [part] = asked.pictures
    if asked.is_anthropic:
        assert part["source"]["media_type"] == "image/png"
        data = part["source"]["data"]
    else:
        data = part["image_url"]["url"].removeprefix("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("model", ["claude-sonnet-4", "gpt-4o"])
def test_a_chart_is_looked_at(work: RecordedWork, model_server: ModelServer, model: str) -> None:
    found = analyzed(work, chart(3200, 1600), model=model)
    want = {
        **SEEN,
        "picture": {
            "format": "png",
            "width": 3200,
            "height": 1600,
            "sent_width": 1568,
            "sent_height": 784,
        },
        "usage": {"requests": 1, "input_tokens": 1200, "output_tokens": 300},
    }
    assert found.model_dump(mode="json", exclude={"model", "cost_usd"}) == want
    assert shown(model_server).size == (1568, 784)
    assert work.percents == [0, 20, 100]


@pytest.mark.parametrize(
    ("form", "mode"),
    [("JPEG", "RGB"), ("WEBP", "RGB"), ("GIF", "P"), ("BMP", "1"), ("TIFF", "CMYK"), ("PNG", "LA")],
)
def test_a_picture_is_known_by_its_content(
    work: RecordedWork, model_server: ModelServer, form: str, mode: str
) -> None:
    found = analyzed(work, chart(form=form, mode=mode))
    assert (found.picture.format, shown(model_server).mode) == (form.lower(), "RGB")


def test_a_large_jpeg_is_told_as_it_came(work: RecordedWork, model_server: ModelServer) -> None:
    found = analyzed(work, chart(6400, 3200, form="JPEG"))
    assert (found.picture.width, found.picture.height) == (6400, 3200)
    assert shown(model_server).size == (1568, 784)


def test_what_is_transparent_is_white(work: RecordedWork, model_server: ModelServer) -> None:
    analyzed(work, chart(mode="RGBA"))
    assert shown(model_server).getpixel((5, 5)) == (255, 255, 255)


def test_a_file_under_the_storage_folder_is_named_by_its_path(work: RecordedWork) -> None:
    root = work.platform.settings.files.storage_dir
    root.mkdir(exist_ok=True)
    (root / "chart.png").write_bytes(chart())
    for name in ("chart.png", str(root / "chart.png")):
        params = ChartImageParams(image_path=name, model="claude-sonnet-4")
        assert analyze.analyze(params, work).picture.width == 640


@pytest.mark.parametrize(
    ("name", "want"),
    [("../secret.png", InvalidInput), ("/etc/passwd", InvalidInput), ("no.png", NotFound)],
)
def test_a_path_that_leads_nowhere_is_refused(
    work: RecordedWork, model_server: ModelServer, name: str, want: type[CeleriacError]
) -> None:
    with pytest.raises(CeleriacError) as raised:
        analyze.analyze(ChartImageParams(image_path=name, model="claude-sonnet-4"), work)
    assert type(raised.value) is want
    assert model_server.asked == []


def png_of(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has one row of it."""

    def part(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 + 3 * width))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


BAD: dict[str, tuple[Callable[[], bytes], type[CeleriacError]]] = {
    "60,000 x 60,000": (lambda: png_of(60_000, 60_000), LimitExceeded),
    "too large a file": (lambda: chart() + bytes(3_000_000), LimitExceeded),
    "truncated": (lambda: chart()[:300], InvalidInput),
    "truncated JPEG": (lambda: chart(form="JPEG")[:900], InvalidInput),
    "empty": (lambda: b"", InvalidInput),
    "SVG": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedFormat),
    "PDF": (lambda: b"%PDF-1.7\n", UnsupportedFormat),
    "noise": (lambda: bytes(range(256)) * 40, UnsupportedFormat),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UnsupportedFormat),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_usable_picture_is_refused(
    work: RecordedWork, model_server: ModelServer, name: str
) -> None:
    make, want = BAD[name]
    with pytest.raises(CeleriacError) as raised:
        analyzed(work, make())
    assert type(raised.value) is want
    assert model_server.asked == []


def test_a_picture_without_a_chart_shows_none(
    work: RecordedWork, model_server: ModelServer
) -> None:
    model_server.will(models.tool({**SEEN, "is_chart": False}))
    model_server.default = models.tool({"is_chart": False, "confidence": 0.9})
    found = analyzed(work, chart())
    assert (found.is_chart, found.levels, found.usage.requests) == (False, (), 2)


OUT_OF_BOUNDS: dict[str, Any] = {**SEEN, "confidence": 7}


def test_faults_are_told_as_what_they_are(work: RecordedWork, model_server: ModelServer) -> None:
    model_server.will(models.refusal())
    with pytest.raises(ModelRefused):
        analyzed(work, chart())
    model_server.will(models.status(429, Retry_After="3"))
    with pytest.raises(RateLimited):
        analyzed(work, chart())
    model_server.will(models.tool(OUT_OF_BOUNDS))
    assert analyzed(work, chart()).usage.requests == 2
