"""A scripted hour of an operator, in minutes: what a person at a terminal sees of it.

Each step does something, waits for a state with `kubectl wait`, and records what commands print.
The test checks the states; `make session` also writes the recordings to `docs/reference`.
"""

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.cluster.kubectl import Kubectl

COLUMNS = 120
"""Of the terminal: longer lines are folded in the page, as a terminal does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One command and what it printed."""

    command: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of the session."""

    title: str
    text: str
    recordings: Sequence[Recording]


@dataclass(slots=True, kw_only=True)
class Session:
    """Records commands in the namespace of a test, under the names of an example."""

    kubectl: Kubectl
    renamed: Mapping[str, str]
    """Names and addresses of the test, and those that the page shows in place of them."""
    steps: list[Step] = field(default_factory=list)
    _recordings: list[Recording] = field(default_factory=list)

    def wait(self, pool: str, state: str, *, within_s: float = 60) -> None:
        """Wait as a script would: `kubectl wait --for=jsonpath`."""
        self.kubectl.wait(f"wp/{pool}", f"jsonpath={{.status.state}}={state}", within_s=within_s)

    def show(self, *words: str) -> str:
        """Record a kubectl command; returns its output."""
        output = self.kubectl.run(*words)
        self.record(" ".join(["kubectl", *(_quoted(word) for word in words)]), output)
        return output

    def record(self, command: str, output: str) -> None:
        """Record what another command has printed."""
        for name, shown in self.renamed.items():
            command, output = command.replace(name, shown), output.replace(name, shown)
        self._recordings.append(Recording(command=command, output=output))

    def close(self, title: str, text: str) -> None:
        """End a step: what was recorded since the last one belongs to it."""
        step = Step(title=title, text=text, recordings=tuple(self._recordings))
        self.steps.append(step)
        self._recordings.clear()


def page(introduction: str, steps: Sequence[Step]) -> str:
    """The session as Markdown."""
    return "\n".join([introduction.rstrip(), "", *(_section(step) for step in steps)])


def _section(step: Step) -> str:
    blocks = [f"## {step.title}", textwrap.fill(step.text, width=COLUMNS)]
    lines = ["```console"]
    for recording in step.recordings:
        lines += [f"$ {recording.command}", *recording.output.rstrip().splitlines(), ""]
    lines[-1] = "```"
    blocks.append("\n".join(_folded(line.rstrip()) for line in lines))
    return "\n\n".join(blocks) + "\n"


def _quoted(word: str) -> str:
    """As a person types it: quotes around what needs them, not around the whole option."""
    option, sign, value = word.partition("=")
    if not sign or shlex.quote(word) == word:
        return shlex.quote(word)
    return f"{option}={shlex.quote(value)}"


def _folded(line: str) -> str:
    """Long lines go on below, indented a little more than they begin."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.fill(
        line,
        width=COLUMNS,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
