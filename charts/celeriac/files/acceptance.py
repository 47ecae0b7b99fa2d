"""What `helm test` runs: real jobs through the Service, while the pools go up and back.

Its pod is the web site that the media job fetches from. It needs nothing but the standard library
and the `celeriac` command. The environment holds CELERIAC_URL (of the API), CELERIAC_API_KEY,
SITE_URL (of this pod), EXPORTER_URL (empty where there is none), POOLS (names of WorkerPools,
separated by commas; none are watched when empty) and FLOORS (their minReplicas, likewise).
"""

import functools
import http.server
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import wave
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

PORT = 8080
PATIENCE_S = 270.0
"""For each of the waits. A pool's way back takes its cool-down and a drain."""
POLL_S = 2.0


class Failed(Exception):
    """The platform does not do what it should; the message says what."""


def main() -> None:
    floors = dict(zip(_names("POOLS"), map(int, _names("FLOORS")), strict=True))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_site(folder / "site")
        document = folder / "report.csv"
        document.write_text("city,trees\nBerlin,439000\nVienna,120000\n")
        serve(folder / "site")
        wait_for("the pools to be at their floors", lambda: sizes(floors) == floors)
        peaks = run_jobs(document, floors)
    judge(peaks)
    wait_for("the metrics to tell of both jobs", has_metrics)
    wait_for("the pools to be back at their floors", lambda: sizes(floors) == floors)


def run_jobs(document: Path, floors: Mapping[str, int]) -> dict[str, int]:
    """Run both jobs; return the largest size that each pool was seen at meanwhile."""
    peaks = dict.fromkeys(floors, 0)
    with ThreadPoolExecutor() as threads:
        url = os.environ["SITE_URL"]
        jobs = {
            "media": threads.submit(submit, "media", f"--url={url}/tone.wav"),
            "document": threads.submit(
                submit, "document", f"--file={document}", "--chatbot-id=acceptance"
            ),
        }
        is_done = False
        while not is_done:
            time.sleep(POLL_S)
            is_done = all(job.done() for job in jobs.values())  # so that a last look follows
            seen = sizes(floors)
            peaks = {name: max(peak, seen.get(name, -1)) for name, peak in peaks.items()}
    for kind, job in jobs.items():
        report(kind, job)
    return peaks


def judge(peaks: Mapping[str, int]) -> None:
    """Raises Failed unless each pool was seen at work."""
    for name, peak in peaks.items():
        say(f"pool {name} went up to {peak}")
    idle = sorted(name for name, peak in peaks.items() if peak == 0)
    if idle:
        raise Failed(f"jobs ran, but these pools were never seen above zero: {', '.join(idle)}")


def report(kind: str, job: "Future[Mapping[str, object]]") -> None:
    found = job.result()
    if found["state"] != "succeeded":
        raise Failed(f"the {kind} job {found['state']}: {json.dumps(found.get('error'))}")
    say(f"the {kind} job {found['id']} succeeded: {json.dumps(found.get('result'))}")


def submit(kind: str, *parameters: str) -> Mapping[str, object]:
    """Submit a job and follow it to its end."""
    job: Mapping[str, object] = celeriac(
        "jobs", "submit", kind, *parameters, "--wait", "--output=json"
    )
    return job


def sizes(floors: Mapping[str, int]) -> dict[str, int]:
    """The replicas of the watched pools, by their status; -1 where no operator has looked yet.

    Nothing while Kubernetes does not answer: its API server may restart at any time.
    """
    if not floors:
        return {}
    try:
        pools = celeriac("pools", "list", "--output=json")
    except Failed as failure:
        say(str(failure))
        return {}
    found = {pool["metadata"]["name"]: pool.get("status", {}) for pool in pools}
    return {name: found.get(name, {}).get("replicas", -1) for name in floors}


def has_metrics() -> bool:
    """Whether the API counts both jobs, and the exporter sees the broker and its queues."""
    counted = [
        f'celeriac_jobs{{pipeline="{kind}",state="succeeded"}}' for kind in ("media", "document")
    ]
    found = metrics(os.environ["CELERIAC_URL"])
    if min(found.get(name, 0) for name in counted) < 1:
        return False
    url = os.environ.get("EXPORTER_URL")
    depth = 'celery_queue_messages{queue="documents",state="ready"}'
    found = metrics(url) if url else {"celery_broker_up": 1, depth: 0}
    return found.get("celery_broker_up") == 1 and depth in found


def metrics(url: str) -> dict[str, float]:
    """What a server tells Prometheus, by name and labels; nothing where it does not answer."""
    try:
        headers = {"Authorization": f"Bearer {os.environ['CELERIAC_API_KEY']}"}
        request = urllib.request.Request(f"{url}/metrics", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError as error:
        say(f"{url}/metrics: {error}")
        return {}
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def celeriac(*words: str):  # type: ignore[no-untyped-def]  # a JSON value
    """What a command of the command line prints as JSON. A job that failed is no error here."""
    done = subprocess.run(["celeriac", *words], capture_output=True, text=True, timeout=PATIENCE_S)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise Failed(f"celeriac {' '.join(words)} said: {done.stderr or done.stdout}") from None


def wait_for(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        say(f"waiting for {what}")
        if time.monotonic() > deadline:
            raise Failed(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(POLL_S)


def write_site(folder: Path) -> None:
    """A tone of three seconds."""
    folder.mkdir()
    rate = 8000
    samples = (int(12_000 * math.sin(2 * math.pi * 440 * i / rate)) for i in range(3 * rate))
    with wave.open(str(folder / "tone.wav"), "wb") as tone:
        tone.setnchannels(1)
        tone.setsampwidth(2)
        tone.setframerate(rate)
        tone.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))


def serve(folder: Path) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("", PORT), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _names(variable: str) -> list[str]:
    return [name for name in os.environ.get(variable, "").split(",") if name]


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
    say("The platform works.")
