"""The program that reads web pages: `python -m app.documents.web.page_reader REQUESTS CPU_S`.

REQUESTS is a named pipe. Each line of it is a JSON object: the `path` of a page's bytes, its `url`
and the `media_type` that came with it; an empty one ends the program. For each page it prints
items, a JSON object a line (`items.to_json`): facts, blocks or a refusal, and a position, the
number of pages so far, as the last one. The first line says that it is ready: position 0.

A page may take CPU_S of processor time; the system ends the program then.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from app.documents import items
from app.documents.items import Item, Position, Refusal
from app.documents.web import webpage


def main() -> None:
    requests, cpu_s = sys.argv[1:]
    with open(requests, encoding="utf-8") as lines:
        _say(Position(done=0))
        for number, line in enumerate(lines, start=1):
            request = json.loads(line)
            if not request:
                return
            _allow_more(int(cpu_s))
            for item in read(**request):
                _say(item)
            _say(Position(done=number))


def read(*, path: str, url: str, media_type: str) -> Iterator[Item]:
    """Everything that is to be told of one page."""
    try:
        yield from webpage.read(Path(path).read_bytes(), url=url, media_type=media_type)
    except (ValueError, RecursionError) as error:  # of lxml: nesting, characters
        yield Refusal(error="InvalidInput", message=f"the page is damaged: {error}"[:300])


def _say(item: Item) -> None:
    sys.stdout.write(json.dumps(items.to_json(item)) + "\n")
    if isinstance(item, Position):
        sys.stdout.flush()


def _allow_more(cpu_s: int) -> None:
    """From now on, so much: the limit counts since the program began."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(time.process_time()) + 1 + cpu_s
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    main()
