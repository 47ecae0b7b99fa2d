"""A server that language models are asked at: the Anthropic Messages API and the OpenAI Chat
Completions API on the wire, with every way of failing that clients meet.

`answers` of the server is what comes next, in order; when it is empty, `default` answers.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

KEY = "sk-of-the-test-model_server"

INPUT_TOKENS, OUTPUT_TOKENS = 1200, 300
"""What each answer says that it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: Json

    @property
    def is_anthropic(self) -> bool:
        return self.path.startswith("/v1/messages")

    @property
    def tool(self) -> Json:
        """The one tool that the model is to answer by: its name and schema."""
        [tool] = self.body["tools"]
        if self.is_anthropic:
            return {"name": tool["name"], "schema": tool["input_schema"]}
        return {"name": tool["function"]["name"], "schema": tool["function"]["parameters"]}

    @property
    def prompt(self) -> str:
        """Every text of the user's messages, what tools returned included."""
        return "\n".join(_texts(self.body["messages"]))

    @property
    def pictures(self) -> list[Json]:
        """Every picture, as the API at hand has them."""
        return [part for part in _parts(self.body["messages"]) if part["type"].startswith("image")]


Answer = Callable[["_Handler", Asked], None]


@dataclass(kw_only=True)
class ModelServer:
    """A running server. `url` has no slash at its end."""

    url: str
    default: Answer
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    broken_off: threading.Event = field(default_factory=threading.Event)
    """Set when a client left before its answer."""
    ended: threading.Event = field(default_factory=threading.Event)

    def will(self, *answers: Answer) -> None:
        self.answers.extend(answers)


@contextmanager
def serve() -> Iterator[ModelServer]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.model_server = ModelServer(
        url=f"http://127.0.0.1:{server.server_address[1]}", default=status(500)
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="test-models")
    thread.start()
    try:
        yield server.model_server
    finally:
        server.model_server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def tool(values: Json | Callable[[Asked], Json]) -> Answer:
    """The model uses the tool that it was given, with these values."""

    def answer(request: "_Handler", asked: Asked) -> None:
        given = values(asked) if callable(values) else values
        request.tell(asked, _message(asked, tool_input=given))

    return answer


def text(words: str) -> Answer:
    """The model talks and uses no tool."""
    return lambda request, asked: request.tell(asked, _message(asked, words=words))


def refusal(words: str = "I cannot help with that.") -> Answer:
    """The model declines, in the way of its API."""

    def answer(request: "_Handler", asked: Asked) -> None:
        if asked.is_anthropic:
            request.tell(asked, {**_message(asked), "stop_reason": "refusal"})
            return
        body = _message(asked)
        body["choices"][0]["message"]["refusal"] = words
        request.say(200, body)

    return answer


def cut_short() -> Answer:
    """The model reaches the most tokens that it may give, in the midst of its tool's input."""

    def answer(request: "_Handler", asked: Asked) -> None:
        body = _message(asked, tool_input={})
        if asked.is_anthropic:
            body["stop_reason"] = "max_tokens"
        else:
            body["choices"][0]["finish_reason"] = "length"
            call = body["choices"][0]["message"]["tool_calls"][0]
            call["function"]["arguments"] = '{"summary": "It br'
        request.tell(asked, body)

    return answer


def status(code: int, message: str = "so it is", **headers: str) -> Answer:
    """An error, in the form that both APIs have."""
    body = {"type": "error", "error": {"type": "test_error", "message": message}}
    return lambda request, asked: request.say(code, body, **headers)


def truncated() -> Answer:
    """The connection breaks off in the midst of the body, of a stream as well."""

    def answer(request: "_Handler", asked: Asked) -> None:
        message = _message(asked, tool_input={"summary": "and so on"})
        is_stream = bool(asked.body.get("stream"))
        whole = b"".join(_events(message)) if is_stream else json.dumps(message).encode()
        kind = "text/event-stream" if is_stream else "application/json"
        request.begin(200, length=len(whole), Content_Type=kind)
        request.wfile.write(whole[: len(whole) // 2])
        request.close_connection = True

    return answer


def stream_that_ends(*, after: int) -> Answer:
    """A stream that ends in good order after so many events, before the message is whole."""

    def answer(request: "_Handler", asked: Asked) -> None:
        events = _events(_message(asked, tool_input={"summary": "It breaks off"}))
        request.send(200, b"".join(events[:after]), Content_Type="text/event-stream")

    return answer


def no_stream() -> Answer:
    """An event whose data is no JSON."""
    content = b'event: message_start\ndata: {"type": "message_start", "mess\n\n'
    return lambda request, asked: request.send(200, content, Content_Type="text/event-stream")


def no_json() -> Answer:
    """A whole body that is no JSON."""
    return lambda request, asked: request.send(200, b'{"id": "msg_1", "content": [{"ty')


def silence() -> Answer:
    """No answer; notes when the client leaves."""

    def answer(request: "_Handler", asked: Asked) -> None:
        request.connection.settimeout(0.05)
        model_server = request.server.model_server
        while not model_server.ended.is_set():
            try:
                if not request.connection.recv(1):
                    model_server.broken_off.set()
                    break
            except TimeoutError:
                continue
            except OSError:
                model_server.broken_off.set()
                break
        request.close_connection = True

    return answer


def _message(asked: Asked, *, words: str = "", tool_input: Json | None = None) -> Json:
    model = asked.body["model"]
    if asked.is_anthropic:
        content: list[Json] = [{"type": "text", "text": words}] if words else []
        if tool_input is not None:
            name = asked.tool["name"]
            content += [{"type": "tool_use", "id": "toolu_1", "name": name, "input": tool_input}]
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": "end_turn" if tool_input is None else "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
        }
    message: Json = {"role": "assistant", "content": words or None, "refusal": None}
    if tool_input is not None:
        function = {"name": asked.tool["name"], "arguments": json.dumps(tool_input)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    reason = "stop" if tool_input is None else "tool_calls"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }


def _events(message: Json) -> list[bytes]:
    """The message as the Anthropic API streams it."""
    begun = {**message, "content": [], "stop_reason": None}
    events: list[Json] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(message["content"]):
        empty: Json = {"text": ""} if block["type"] == "text" else {"input": {}}
        start = {"type": "content_block_start", "content_block": {**block, **empty}}
        parts: list[Json] = [start, {"type": "content_block_delta", "delta": _delta(block)}]
        parts.append({"type": "content_block_stop"})
        events += [{**part, "index": index} for part in parts]
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": end, "usage": message["usage"]})
    events.append({"type": "message_stop"})
    return [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events]


def _delta(block: Json) -> Json:
    if block["type"] == "text":
        return {"type": "text_delta", "text": block["text"]}
    return {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}


def _parts(messages: list[Json]) -> Iterator[Json]:
    for message in messages:
        content = message.get("content") or []
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] in ("user", "tool"):
            yield from parts


def _texts(messages: list[Json]) -> Iterator[str]:
    for part in _parts(messages):
        found = part.get("text", part.get("content", ""))
        yield found if isinstance(found, str) else json.dumps(found)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    model_server: ModelServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests, not news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Check the key, note the request, answer as told."""
        length = int(self.headers["Content-Length"])
        asked = Asked(
            path=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=json.loads(self.rfile.read(length)),
        )
        model_server = self.server.model_server
        model_server.asked.append(asked)
        given = asked.headers.get("x-api-key") or asked.headers.get("authorization", "")
        given = given.removeprefix("Bearer ")
        if given != KEY:
            status(401, f"invalid key {given}")(self, asked)
            return
        answer = model_server.answers.popleft() if model_server.answers else model_server.default
        answer(self, asked)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are recorded, not printed."""

    def tell(self, asked: Asked, message: Json) -> None:
        """An answer of the model, as a stream when that is asked for."""
        if asked.body.get("stream"):
            content = b"".join(_events(message))
            self.send(200, content, Content_Type="text/event-stream")
        else:
            self.say(200, message)

    def say(self, code: int, body: Json, **headers: str) -> None:
        self.send(code, json.dumps(body).encode(), **headers)

    def send(self, code: int, content: bytes, **headers: str) -> None:
        self.begin(code, length=len(content), **headers)
        self.wfile.write(content)

    def begin(self, code: int, *, length: int, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        for name, value in {"Content_Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
