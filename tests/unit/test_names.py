"""Names, log events and help texts use the standard terms of the field."""

import ast
import re
from collections.abc import Iterator

from app.pipelines import registry
from tests import prose, source_tree

IN_NAMES = {
    "turn": "evaluate, reconcile",
    "turns": "evaluate, reconcile",
    "look": "observe, check",
    "speak": "use, call",
    "speaks": "use, call",
    "spoken": "use, call",
    "hear": "heartbeat",
    "heard": "heartbeat",
    "hearing": "heartbeat",
    "unheard": "heartbeat",
    "gather": "observe",
    "gathered": "observe",
    "gathering": "observe",
    "judge": "decide",
    "judged": "decide",
    "judging": "decide",
    "carry": "apply",
    "carried": "apply",
    "carrying": "apply",
    "settle": "debounce",
    "settled": "debounce",
    "settling": "debounce",
    "roster": "cache",
    "rollcall": "resync",
    "places": "semaphore, limiter",
    "wish": "callback",
    "wishes": "callbacks",
    "terms": "run options",
    "patience": "retry",
    "endings": "outcomes",
    "upkeep": "maintenance",
    "keeper": "lease renewal",
    "abandon": "orphaned",
    "abandoned": "orphaned",
    "workroom": "workspace",
    "hurry": "interruptible sleep",
}
"""Words that no name of `app` has, and what stands in their place."""

PUBLIC_NAMES = {
    "unheard": "the reason WorkersUnheard in the status of a WorkerPool",
    "workers_unheard": "the reason WorkersUnheard in the status of a WorkerPool",
    "abandon_finalizer": "a transition of a job, in its documentation",
}
"""Names that users hold on to."""


MEANT_LITERALLY = {
    "app.operator.leadership": {"terms"},
    "app.documents.pdf": {"turn"},
    "app.pipelines.youtube": {"speak", "spoken", "hear", "heard"},
    "app.pipelines.video": {"speak", "spoken"},
    "app.speech": {"spoken", "hear", "heard"},
    "app.storage": {"terms", "places"},
}
"""A leader has terms, a page is turned, speech is spoken and heard, a search has terms, and a
decimal has places."""


def names_of_tasks() -> set[str]:
    """Clients publish tasks by these."""
    pipelines = registry.discover().values()
    ends = [pipeline.finalizer for pipeline in pipelines if pipeline.finalizer is not None]
    return {stage.task for pipeline in pipelines for stage in (*pipeline.stages, *ends)}


def words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word for word in spaced.lower().split("_") if word]


def old_words(name: str, *, module: str) -> set[str]:
    literal = [meant for package, meant in MEANT_LITERALLY.items() if module.startswith(package)]
    return (IN_NAMES.keys() & set(words(name))).difference(*literal)


def names(tree: ast.Module) -> Iterator[str]:
    """Everything that a module defines or binds."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def test_names_are_in_the_words_of_the_field() -> None:
    public = {*PUBLIC_NAMES, *names_of_tasks()}
    found = {
        f"{module.name}: {name}"
        for module in source_tree.packages_and_modules()
        for name in (module.noun, *names(module.tree))
        if name.strip("_").lower() not in public and old_words(name, module=module.name)
    }
    assert found == set()


def texts(module: source_tree.Module) -> Iterator[str]:
    """Log events, help texts and descriptions: literal strings that a reader of output sees."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield from _strings(node)
    if module.name.startswith(("app.cli", "app.api.routes")):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
                yield ast.get_docstring(node) or ""


def _strings(call: ast.Call) -> Iterator[str]:
    shown = [word.value for word in call.keywords if word.arg in {"help", "description", "summary"}]
    if isinstance(call.func, ast.Attribute) and call.func.attr in LOG_METHODS:
        shown += call.args[:1]
    for node in shown:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}


def test_log_events_and_help_texts_are_in_the_words_of_the_field() -> None:
    found = {
        f"{module.name}: {part}"
        for module in source_tree.packages_and_modules()
        for text in texts(module)
        for part in prose.old_words(text)
    }
    assert found == set()
