"""Make a bot know what is said in videos, one after the other; one that fails fails alone."""

import dataclasses
import hashlib
import uuid
from collections.abc import Iterator

from app.documents import items
from app.errors import CeleriacError, PermanentError, RetryableError, WorkStopped
from app.fetch import failures
from app.jobs.work import Work
from app.pipelines.chunking import Chunker
from app.pipelines.video_batch import transcript
from app.pipelines.video_batch.schema import (
    Batch,
    Video,
    VideoBatchParams,
    VideoError,
    VideoStatus,
)
from app.pipelines.video_batch.transcript import Transcript
from app.storage.chunks import NewChunk

NAMESPACE = uuid.UUID("7d1f4b3e-5b0a-4f0e-9a39-1c6c0f6f2d55")
"""Ours alone: sources of videos have ids of their own kind."""


def process(params: VideoBatchParams, work: Work) -> Batch:
    """Work through the videos.

    Raises an error only when not one video could be had: RetryableError when another attempt may
    help, else what was wrong with the first one. And what the work raises to stop.
    """
    videos: list[Video] = []
    errors: list[CeleriacError] = []
    for number, address in enumerate(params.video_urls):
        url = str(address)
        count = f"{number + 1} of {len(params.video_urls)}"
        work.progress(100 * number / len(params.video_urls), f"video {count}")
        try:
            videos.append(_processed(url, params.bot_id, work))
        except WorkStopped:
            raise
        except CeleriacError as error:
            errors.append(error)
            videos.append(_failed(url, error))
    if len(errors) == len(videos):
        raise worst(errors)
    work.progress(100, f"{len(videos) - len(errors)} of {len(videos)} videos are known")
    ready = len(videos) - len(errors)
    return Batch(bot_id=params.bot_id, ready=ready, failed=len(errors), videos=tuple(videos))


def worst(errors: list[CeleriacError]) -> CeleriacError:
    """What a batch fails with in which every video failed."""
    healing = next((error for error in errors if isinstance(error, RetryableError)), None)
    return healing or next(
        (error for error in errors if isinstance(error, PermanentError)), errors[0]
    )


def _processed(url: str, bot_id: str, work: Work) -> Video:
    found = transcript.fetch(url, work)
    text = "\n".join(found.lines)
    chunks = list(_chunks(found, text, work))
    source = work.platform.sources.ensure(
        source_id(bot_id, found.page_url),
        chatbot_id=bot_id,
        filename=found.title or found.page_url,
        job_id=work.job_id,
    )
    work.platform.chunks.replace(source.id, chunks, chatbot_id=bot_id)
    digest = hashlib.sha256(text.encode()).hexdigest()
    work.platform.sources.mark_ready(source.id, content_sha256=digest)
    return Video(
        url=failures.shown(url),
        status=VideoStatus.READY,
        source_id=source.id,
        title=found.title,
        language=found.language,
        is_automatic=found.is_automatic,
        chunks=len(chunks),
        characters=len(text),
    )


def source_id(bot_id: str, page_url: str) -> str:
    """The same for the same bot and page, so that a video that is processed again replaces what the
    bot knew of it."""
    return str(uuid.uuid5(NAMESPACE, f"{bot_id}\n{page_url}"))


def _chunks(found: Transcript, text: str, work: Work) -> Iterator[NewChunk]:
    settings = work.platform.settings.documents
    chunker = Chunker(tokens=settings.chunk_tokens, overlap_tokens=settings.chunk_overlap_tokens)
    origin = {"url": found.page_url, "title": found.title, "language": found.language}
    for block in items.cut(text, joint=items.LINE):
        work.check()
        yield from (_with(chunk, origin) for chunk in chunker.add(block))
    yield from (_with(chunk, origin) for chunk in chunker.finish())


def _with(chunk: NewChunk, origin: dict[str, str | None]) -> NewChunk:
    told = {name: value for name, value in origin.items() if value is not None}
    return dataclasses.replace(chunk, metadata={**chunk.metadata, **told})


def _failed(url: str, error: CeleriacError) -> Video:
    told = VideoError(
        type=error.type, message=str(error), retryable=isinstance(error, RetryableError)
    )
    return Video(url=failures.shown(url), status=VideoStatus.FAILED, error=told)
