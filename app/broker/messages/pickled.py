"""Reads pickles of plain values without unpickling: a machine that builds data and calls nothing.

Python's unpickler imports and calls what a pickle names, and a pickle can make its memo take
gigabytes. Here `pickletools` splits a pickle into operations, and only those that build plain
values are executed. The few classes in replies of Celery become plain values (`_CLASSES`); every
other name is refused.
"""

import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from app.broker.messages.bounds import VALUE_LIMIT
from app.errors import InvalidInput

_OPERATION_LIMIT = 4 * VALUE_LIMIT

Value = Any  # whatever a pickle may hold


class _Mark:
    """Marks the start of a group of operands."""


class _Class:
    """An allowed class: a placeholder that builds the plain value, never the class itself."""

    def __init__(self, build: Callable[..., Value]) -> None:
        self.build = build


def _counted(counts: Value) -> dict[Value, Value]:
    if not isinstance(counts, dict):
        raise InvalidInput("a pickle with a Counter of something else than counts")
    return counts


def _set_of(values: Value = ()) -> set[Value]:
    return set(map(_key, values))


def _frozenset_of(values: Value = ()) -> frozenset[Value]:
    return frozenset(map(_key, values))


def _latin_1(text: str, _: str = "latin1") -> bytes:
    return text.encode("latin-1")


_CLASSES: Mapping[tuple[str, str], _Class] = {
    # `stats` counts tasks by their names.
    ("collections", "Counter"): _Class(_counted),
    # Older protocols write sets and bytes like this.
    **{(module, "set"): _Class(_set_of) for module in ("builtins", "__builtin__")},
    **{(module, "frozenset"): _Class(_frozenset_of) for module in ("builtins", "__builtin__")},
    ("_codecs", "encode"): _Class(_latin_1),
    # `stats` contains `broker_use_ssl`.
    ("ssl", "VerifyMode"): _Class(int),
}


def loads(data: bytes) -> Value:
    """Parse a pickle to a plain value.

    Raises:
        InvalidInput: it is not a pickle, or does not hold plain values.
    """
    machine = _Machine()
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
            if count > _OPERATION_LIMIT:
                raise InvalidInput("a pickle of too many operations")
            machine.execute(operation.name, argument)
        return machine.result()
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as exc:
        raise InvalidInput("not a pickle of plain values") from exc


def dumps(value: object) -> bytes:
    """Encode a plain value as a pickle that every release of Python reads."""
    return pickle.dumps(value, protocol=2)


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self) -> None:
        self._stack: list[Value] = []
        self._memo: dict[int, Value] = {}

    def execute(self, name: str, argument: Value) -> None:
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        elif name not in _WITHOUT_EFFECT:
            raise InvalidInput(f"a pickle with the operation {name}")

    def result(self) -> Value:
        (value,) = self._stack
        if isinstance(value, _Mark | _Class):
            raise InvalidInput("a pickle of no value")
        return value

    def push(self, value: Value) -> None:
        self._stack.append(value)

    def pop(self) -> Value:
        return self._stack.pop()

    def top(self) -> Value:
        return self._stack[-1]

    def pop_group(self) -> list[Value]:
        """Remove the last mark and the operands above it; returns the operands."""
        at = max(i for i, value in enumerate(self._stack) if isinstance(value, _Mark))
        group = self._stack[at + 1 :]
        del self._stack[at:]
        return group

    def keep(self, key: int | None) -> None:
        self._memo[len(self._memo) if key is None else int(key)] = self.top()

    def recall(self, key: int) -> None:
        self.push(self._memo[int(key)])

    def find_class(self, module: Value, name: Value) -> None:
        if (module, name) not in _CLASSES:
            raise InvalidInput("a pickle that names code")
        self.push(_CLASSES[module, name])

    def build(self) -> None:
        arguments, named = self.pop(), self.pop()
        if not isinstance(named, _Class) or not isinstance(arguments, tuple):
            raise InvalidInput("a pickle that calls something")
        self.push(named.build(*map(_plain, arguments)))


def _plain(value: Value) -> Value:
    if isinstance(value, _Mark | _Class):
        raise InvalidInput("a pickle with a class for a value")
    return value


def _key(value: Value) -> Value:
    """Only flat values: hashing nested tuples can take exponential time."""
    if isinstance(value, str | bytes | int | float) or value is None:
        return value
    raise InvalidInput("a pickle with a key that is no flat value")


def _append(machine: _Machine, values: list[Value]) -> None:
    target = machine.top()
    if type(target) is not list:
        raise InvalidInput("a pickle that appends to something else than a list")
    target.extend(map(_plain, values))


def _set_items(machine: _Machine, values: list[Value]) -> None:
    target = machine.top()
    if type(target) is not dict:
        raise InvalidInput("a pickle that sets items of something else than a dictionary")
    target.update(_pairs(values))


def _add_items(machine: _Machine, values: list[Value]) -> None:
    target = machine.top()
    if type(target) is not set:
        raise InvalidInput("a pickle that adds to something else than a set")
    target.update(map(_key, values))


def _pairs(values: list[Value]) -> dict[Value, Value]:
    keys, items = values[::2], values[1::2]
    return {_key(key): _plain(item) for key, item in zip(keys, items, strict=True)}


def _popped(machine: _Machine, count: int) -> list[Value]:
    values = [_plain(machine.pop()) for _ in range(count)]
    return values[::-1]


def _global(machine: _Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    machine.find_class(module, name)


def _stack_global(machine: _Machine, _: object) -> None:
    name, module = machine.pop(), machine.pop()
    machine.find_class(module, name)


_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    )
)
"""Operations that push their argument."""

_WITHOUT_EFFECT = frozenset(("PROTO", "FRAME", "STOP"))

_OPERATIONS: Mapping[str, Callable[[_Machine, Any], object]] = {
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),  # noqa: FBT003  # a value of the pickle
    "NEWFALSE": lambda machine, _: machine.push(False),  # noqa: FBT003  # a value of the pickle
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(tuple(_popped(machine, 1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(_popped(machine, 2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(_popped(machine, 3))),
    "MARK": lambda machine, _: machine.push(_Mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(map(_plain, machine.pop_group()))),
    "LIST": lambda machine, _: machine.push(list(map(_plain, machine.pop_group()))),
    "DICT": lambda machine, _: machine.push(_pairs(machine.pop_group())),
    "FROZENSET": lambda machine, _: machine.push(frozenset(map(_key, machine.pop_group()))),
    "APPEND": lambda machine, _: _append(machine, _popped(machine, 1)),
    "APPENDS": lambda machine, _: _append(machine, machine.pop_group()),
    "SETITEM": lambda machine, _: _set_items(machine, _popped(machine, 2)),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.pop_group()),
    "ADDITEMS": lambda machine, _: _add_items(machine, machine.pop_group()),
    "PUT": lambda machine, key: machine.keep(key),
    "BINPUT": lambda machine, key: machine.keep(key),
    "LONG_BINPUT": lambda machine, key: machine.keep(key),
    "MEMOIZE": lambda machine, _: machine.keep(None),
    "GET": lambda machine, key: machine.recall(key),
    "BINGET": lambda machine, key: machine.recall(key),
    "LONG_BINGET": lambda machine, key: machine.recall(key),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda machine, _: machine.build(),
}
