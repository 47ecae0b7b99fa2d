"""Runs of schemathesis against a server, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

HOOKS = Path(__file__).with_name("hooks.py")

SEED = 20_261_126

CONFIGURATION = f"""
hooks = {json.dumps(str(HOOKS))}
request-timeout = 60  # an event of a stream may take as long on a busy machine
max-stream-events = 1  # a queued job's stream does not end
continue-on-failure = true

[generation]
database = "none"
allow-x00 = false  # the description of the API excludes NUL; JSON schema has no words for all text
no-shrink = true
"""

Json = Any  # a JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of schemathesis has found."""

    is_clean: bool
    cases: int
    text: str
    """Its report for people."""


def run(
    url: str,
    folder: Path,
    *,
    keys: dict[str, str],
    phases: str,
    examples: int,
    seed: int = SEED,
    kinds: Collection[str] | None = None,
) -> Outcome:
    """Check the API at this URL with the first of these keys, by owner; with two keys, also that
    neither owner sees what the other one has. Without keys, as a client that has none. `kinds`
    are the kinds of jobs whose routes are tried, by default all: they have their options in common.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION + _auth(keys, folder))
    report = folder / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
        *("run", f"{url}/openapi.json", "--phases", phases, "--seed", str(seed)),
        *_only(kinds),
        *("--max-examples", str(examples), "--no-color"),
        *("--report", "json", "--report-json-path", str(report)),
    ]
    # Built at its first request; schemathesis waits for 10 s only.
    httpx2.get(f"{url}/openapi.json", timeout=120).raise_for_status()
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=dict(os.environ), check=False
    )
    found: Json = json.loads(report.read_text()) if report.exists() else {"test_cases": {}}
    return Outcome(
        is_clean=ended.returncode == 0,
        cases=found["test_cases"].get("generated", 0),
        text=ended.stdout + ended.stderr,
    )


def _only(kinds: Collection[str] | None) -> list[str]:
    if kinds is None:
        return []
    others = "|".join(kind.replace("-", "_") for kind in kinds)
    return ["--exclude-operation-id-regex", f"^submit_(?!({others}|batch)$)"]


def _auth(keys: dict[str, str], folder: Path) -> str:
    if not keys:
        return ""
    if len(keys) == 1:
        return f"[auth.openapi.apiKey]\nbearer = {json.dumps(next(iter(keys.values())))}\n"
    entries = [
        {
            "name": owner,
            "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key}"}],
        }
        for owner, key in keys.items()
    ]
    identities = folder / "identities.json"
    identities.write_text(json.dumps({"auth": entries}))
    peers = json.dumps(list(keys))
    return f"[auth.wfc]\npath = {json.dumps(str(identities))}\npeers = {peers}\n"
