"""Pickles that were made to do something. None of them may get so far as to be carried out."""

import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import pytest

from app.broker.messages import bodies, pickled
from app.errors import InvalidInput


class _Reduces:
    """Pickles into a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:  # what pickle takes for a call
        return self._call


HOSTILE = [
    pytest.param(b"cos\nsystem\n(S'true'\ntR.", id="GLOBAL and REDUCE"),
    pytest.param(b"(S'true'\nios\nsystem\n.", id="INST"),
    pytest.param(b"(cos\nsystem\nS'true'\no.", id="OBJ"),
    pytest.param(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", id="STACK_GLOBAL"),
    pytest.param(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85\x81.", id="NEWOBJ"),
    pytest.param(b"\x80\x04cos\nsystem\n)}\x92.", id="NEWOBJ_EX"),
    pytest.param(b"\x80\x02\x82\x01.", id="EXT1"),
    pytest.param(b"\x80\x02\x84\x01\x00\x00\x00.", id="EXT4"),
    pytest.param(b"}S'__class__'\nN\x86b.", id="BUILD"),
    pytest.param(b"ccollections\nCounter\n}b.", id="BUILD of a class that may be named"),
    pytest.param(b"ccollections\nCounter\n.", id="a class for a value"),
    pytest.param(b"ccollections\nCounter\nccollections\nCounter\n\x85R.", id="a class for counts"),
    pytest.param(b"cbuiltins\neval\n(S'1'\ntR.", id="eval"),
    pytest.param(b"cbuiltins\ngetattr\n(cbuiltins\nset\nS'mro'\ntR.", id="getattr"),
    pytest.param(b"ccollections\nCounter.fromkeys\n(S'a'\ntR.", id="an attribute of such a class"),
    pytest.param(b"c_codecs\nencode\n(S'a'\nS'rot13'\nS'x'\ntR.", id="another call of encode"),
    pytest.param(b"Pid\n.", id="PERSID"),
    pytest.param(b"Nr\xff\xff\xff\x7f0.", id="LONG_BINPUT that leaves nothing"),
    pytest.param(b"(" * 1000 + b".", id="marks alone"),
    pytest.param(b"]" + b"2a" * 4 + b".", id="DUP"),
    pytest.param(b"]q\x00h\x00a.", id="a list in itself"),
    pytest.param(b"}(]K\x01u.", id="a list for a key"),
    pytest.param(b"N0.", id="POP"),
    pytest.param(b"NN.", id="two values"),
    pytest.param(b"N", id="without an end"),
    pytest.param(b"\x8e" + struct.pack("<Q", 2**60) + b"x.", id="bytes of 2**60"),
    pytest.param(b"\x8b" + struct.pack("<i", -5) + b".", id="a negative length"),
    pytest.param(b"I" + b"9" * 10_000 + b"\n.", id="a number of 10,000 digits"),
    pytest.param(b"N" * 500_000 + b".", id="half a million values"),
    pytest.param(pickle.dumps(_Reduces(Path.touch, Path("/"))), id="what pickle itself makes"),
    pytest.param(pickle.dumps(_Reduces(print, "x"), 0), id="the same by protocol 0"),
    pytest.param(b"", id="nothing"),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_a_hostile_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        bodies.read_body(data, content_type=bodies.PICKLE)


def test_nothing_is_carried_out(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    data = pickle.dumps(["before", _Reduces(Path.touch, touched)])

    with pytest.raises(InvalidInput):
        pickled.loads(data)

    assert not touched.exists()
    pickle.loads(data)
    assert touched.exists()  # it would have been


def test_a_memo_with_huge_keys_takes_no_memory() -> None:
    assert pickled.loads(b"Nr\xff\xff\xff\x7f.") is None


def test_a_key_that_takes_for_ever_to_hash_is_refused() -> None:
    nested: tuple[object, ...] = ()
    for _ in range(60):  # so many steps as 2 to the power of this
        nested = (nested, nested)
    without_end = pickletools.optimize(pickle.dumps(nested, 2))[2:-1]

    for data in (b"}" + without_end + b"Ns.", b"\x8f(" + without_end + b"\x90."):
        with pytest.raises(InvalidInput):
            pickled.loads(data)
