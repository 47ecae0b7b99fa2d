"""Bodies of every content type, as kombu writes them, and what is refused in all of them alike."""

import bz2
import json
import lzma
import pickle
import zlib
from collections import Counter

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.broker.messages import bodies, bounds
from app.errors import InvalidInput

REPLY = {
    "celery@shop": {
        "total": {"orders.pay": 3},
        "pool": {"max-concurrency": 4, "processes": [11, 12], "timeouts": [0, 0]},
        "rusage": {"utime": 1.5, "swaps": -3},
        "prefetch_count": 2**40,
        "broker": {"ssl": False, "alternates": [], "login_method": None, "name": "größer"},
    }
}


@pytest.mark.parametrize("content_type", bodies.WRITABLE)
def test_what_is_written_is_read_again(content_type: str) -> None:
    body, _ = bodies.write_body(REPLY, content_type=content_type)

    assert bodies.read_body(body, content_type=content_type) == REPLY


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", min_codepoint=32, max_codepoint=0xFFFD)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab<-", max_size=3), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("content_type", bodies.WRITABLE)
@settings(max_examples=30)
@given(value=PLAIN)
def test_any_plain_value_survives_any_content_type(content_type: str, value: object) -> None:
    body, _ = bodies.write_body(value, content_type=content_type)

    assert bodies.read_body(body, content_type=content_type) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_any_protocol_is_read(protocol: int) -> None:
    shared = ["same", "list"]
    value = {
        "total": Counter({"orders.pay": 3}),
        "sets": [{1, 2}, frozenset({"a"}), set()],
        "raw": b"\x00\xff",
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "numbers": [0, 255, 65_536, -1, 2**31, 2**80, 1.5],
        "shared": [shared, shared],
        **REPLY,
    }

    found = bodies.read_body(pickle.dumps(value, protocol), content_type=bodies.PICKLE)

    assert found == value


@pytest.mark.parametrize(
    ("method", "compress"),
    [
        ("application/x-gzip", zlib.compress),
        ("application/x-bz2", bz2.compress),
        ("application/x-lzma", lzma.compress),
    ],
)
def test_a_compressed_body_is_read_and_a_bomb_is_not(method: str, compress: object) -> None:
    assert callable(compress)
    body = compress(json.dumps(REPLY).encode())
    bomb = compress(b" " * (bounds.BODY_LIMIT_BYTES + 1))

    found = bodies.read_body(body, content_type=bodies.JSON, compressed_by=method)

    assert found == REPLY
    assert len(bomb) < 100_000
    for broken in (bomb, body[:-3], b"not compressed"):
        with pytest.raises(InvalidInput):
            bodies.read_body(broken, content_type=bodies.JSON, compressed_by=method)


def _laughs(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join(lines).encode()


def _merges(levels: int) -> bytes:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(lines).encode()


def _deep(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(bodies.JSON, b"[" * 100_000, id="JSON: deeper than its reader goes"),
        pytest.param(bodies.JSON, b"[" * 900 + b"]" * 900, id="JSON: deep"),
        pytest.param(bodies.JSON, b"[" + b"0," * 200_000 + b"0]", id="JSON: many values"),
        pytest.param(bodies.JSON, b"\xff{}", id="JSON: not UTF-8"),
        pytest.param(bodies.JSON, b" " * 9_000_000 + b"1", id="JSON: too long"),
        pytest.param(bodies.JSON, b"", id="JSON: nothing"),
        pytest.param(bodies.YAML, _laughs(9), id="YAML: a billion laughs"),
        pytest.param(bodies.YAML, _merges(40), id="YAML: merge keys that double"),
        pytest.param(bodies.YAML, b'{a: &a {x: 1}, ? !!merge "" : *a}', id="YAML: a merge by tag"),
        pytest.param(bodies.YAML, b"[" * 5_000, id="YAML: deep"),
        pytest.param(bodies.YAML, b"&a [*a]", id="YAML: a list that holds itself"),
        pytest.param(bodies.YAML, b"? {a: 1}\n: 2", id="YAML: a key that cannot be hashed"),
        pytest.param(bodies.YAML, yaml.dump(Counter(a=1)).encode(), id="YAML: a Python object"),
        pytest.param(
            bodies.YAML, b"!!python/object/apply:os.getpid []", id="YAML: a call of a function"
        ),
        pytest.param(bodies.MESSAGE_PACK, b"\xdd\xff\xff\xff\xff", id="MessagePack: a huge list"),
        pytest.param(bodies.MESSAGE_PACK, b"\xdb\xff\xff\xff\xffa", id="MessagePack: a huge text"),
        pytest.param(bodies.MESSAGE_PACK, b"\x91" * 70 + b"\xc0", id="MessagePack: deep"),
        pytest.param(
            bodies.MESSAGE_PACK,
            b"\xdd\x00\x03\x0d\x40" + b"\xc0" * 200_000,
            id="MessagePack: many values",
        ),
        pytest.param(bodies.MESSAGE_PACK, b"\x81\x90\xc0", id="MessagePack: a list for a key"),
        pytest.param(bodies.MESSAGE_PACK, b"\xd4\x01\x00", id="MessagePack: an extension type"),
        pytest.param(bodies.MESSAGE_PACK, b"\xc1", id="MessagePack: a code without a meaning"),
        pytest.param(bodies.MESSAGE_PACK, b"\xa1\xff", id="MessagePack: not UTF-8"),
        pytest.param(bodies.MESSAGE_PACK, b"\xc0\xc0", id="MessagePack: two values"),
        pytest.param(bodies.MESSAGE_PACK, b"", id="MessagePack: nothing"),
        pytest.param(bodies.PICKLE, pickle.dumps(_deep(100)), id="pickle: deep"),
        pytest.param("application/x-of-our-own", b"{}", id="a type that nobody registered"),
    ],
)
def test_what_is_broken_or_grows_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        bodies.read_body(body, content_type=content_type)


def test_yaml_may_name_the_same_list_twice() -> None:
    body, _ = bodies.write_body([["a"]] * 2, content_type=bodies.YAML)
    same = ["a"]

    assert b"&" in yaml.safe_dump([same, same]).encode()
    assert bodies.read_body(body, content_type=bodies.YAML) == [same, same]
