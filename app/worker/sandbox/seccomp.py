"""A seccomp filter: system calls that no reader of files needs fail with EPERM.

See seccomp(2). It needs no privilege once `no_new_privs` is set. Our own code: the Python packages
are bindings of the system library libseccomp, which images may not have.
"""

import ctypes
import errno
import os
import struct
import sys

from app.worker.sandbox.syscall_numbers import AUDIT_ARCH, NUMBERS

PR_SET_NO_NEW_PRIVS = 38
PR_GET_SECCOMP, PR_SET_SECCOMP = 21, 22
MODE_FILTER = 2

LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Codes of a classic BPF program: 32-bit words, constants."""

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
NO_SUCH_CALL = 0x00050000 | errno.ENOSYS

NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
"""Offsets in the kernel's `struct seccomp_data`."""

X32_CALLS = 0x40000000
"""Where the numbers of the x32 interface begin, which would bypass the filter."""

NAMESPACE_FLAGS = 0x7E020000
"""CLONE_NEW* of clone(2)."""

CONDITIONAL = ("clone", "clone3", "kill", "prlimit64", "socket", "tgkill", "tkill")
"""Calls that are refused by their arguments, or by the sandbox. All others of `NUMBERS` always
are."""

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant."""


def is_available() -> bool:
    """Whether this kernel filters, and we know the numbers of this architecture."""
    if sys.platform != "linux" or os.uname().machine not in NUMBERS:
        return False
    return bool(_libc().prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0)


def set_no_new_privileges() -> None:
    """No program that this process runs gets privileges, as setuid programs do. Raises OSError."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def install(*, may_use_network: bool, only_signal: int | None) -> None:
    """Filter the calls of this thread and of what it starts. Raises OSError."""
    program = build_program(
        os.uname().machine, may_use_network=may_use_network, only_signal=only_signal
    )
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = _Program(length=len(program), filter=ctypes.addressof(buffer))
    _prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(header), 0, 0)


def build_program(
    machine: str, *, may_use_network: bool, only_signal: int | None
) -> list[Instruction]:
    """The filter for an architecture. `only_signal` is the one process that may get signals, where
    Landlock does not restrict them."""
    numbers = NUMBERS[machine]
    program = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_IF_EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, REFUSE),
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_IF_AT_LEAST, 0, 1, X32_CALLS),
        (RETURN, 0, 0, REFUSE),
        *_refuse(numbers["clone3"], NO_SUCH_CALL),  # its flags are in memory; libc then uses clone
        *_check_argument(numbers["clone"], [(JUMP_IF_ANY_BIT, 0, 1, NAMESPACE_FLAGS)]),
        *_check_argument(numbers["prlimit64"], [(JUMP_IF_EQUAL, 1, 0, 0)]),  # 0: itself
    ]
    if not may_use_network:
        program += _refuse(numbers["socket"])
    if only_signal is not None:
        for name in ("kill", "tgkill"):
            program += _check_argument(numbers[name], [(JUMP_IF_EQUAL, 1, 0, only_signal)])
        program += _refuse(numbers["tkill"])
    for name, number in numbers.items():
        if name not in CONDITIONAL:
            program += _refuse(number)
    return [*program, (RETURN, 0, 0, ALLOW)]


def _refuse(number: int, answer: int = REFUSE) -> list[Instruction]:
    return [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, answer)]


def _check_argument(number: int, test: list[Instruction]) -> list[Instruction]:
    """Refuse a call by its first argument: `test` jumps over one instruction if it is allowed."""
    body = [(LOAD, 0, 0, FIRST_ARGUMENT_AT), *test, (RETURN, 0, 0, REFUSE), (LOAD, 0, 0, NUMBER_AT)]
    return [(JUMP_IF_EQUAL, 0, len(body), number), *body]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *arguments: int) -> None:
    if _libc().prctl(option, *(ctypes.c_ulong(value) for value in arguments)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
