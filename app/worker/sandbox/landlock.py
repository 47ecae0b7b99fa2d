"""Landlock: the kernel refuses this process, and what it starts, all files but those of the rules.

See landlock(7). It needs no privilege. Our own code, because `confinement` runs without
site-packages, and the packages for Landlock are prereleases or a few months old.
"""

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from enum import IntFlag

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on every architecture."""

VERSION_FLAG = 1
RULE_PATH_BENEATH = 1
NET_BIND_AND_CONNECT_TCP = 3
SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 3

NETWORK_ABI, SCOPE_ABI = 4, 6


class FileAccess(IntFlag):
    """What a rule allows beneath a path, as bits of the kernel."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ = FileAccess.READ_FILE | FileAccess.READ_DIR
CHANGE = (
    FileAccess.WRITE_FILE
    | FileAccess.TRUNCATE
    | FileAccess.REMOVE_DIR
    | FileAccess.REMOVE_FILE
    | FileAccess.MAKE_DIR
    | FileAccess.MAKE_REG
    | FileAccess.MAKE_FIFO
    | FileAccess.MAKE_SYM
    | FileAccess.REFER
)
OF_FILES = (
    FileAccess.EXECUTE
    | FileAccess.WRITE_FILE
    | FileAccess.READ_FILE
    | FileAccess.TRUNCATE
    | FileAccess.IOCTL_DEV
)
"""The bits that a rule for a file, not a folder, may have."""

SINCE_ABI = {2: FileAccess.REFER, 3: FileAccess.TRUNCATE, 5: FileAccess.IOCTL_DEV}


class _RulesetAttributes(ctypes.Structure):
    _fields_ = [
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def abi_version() -> int:
    """The version of the kernel's interface; 0 where there is no Landlock."""
    if sys.platform != "linux":
        return 0
    try:
        return _call(CREATE_RULESET, None, 0, VERSION_FLAG)
    except OSError:  # ENOSYS: not in this kernel; EOPNOTSUPP: disabled at its boot
        return 0


def handled(abi: int) -> FileAccess:
    """Every access that this version can refuse."""
    access = FileAccess(0)
    for bit in FileAccess:
        access |= bit
    for since, bit in SINCE_ABI.items():
        if abi < since:
            access &= ~bit
    return access


def restrict(
    rules: Iterable[tuple[str, FileAccess]], *, abi: int, may_use_network: bool = False
) -> None:
    """Restrict this thread for good; `no_new_privs` is set. A path that does not exist is skipped.

    Raises OSError.
    """
    ruleset = _create(abi, may_use_network=may_use_network)
    try:
        for path, access in rules:
            _add(ruleset, path, access & handled(abi))
        _call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _create(abi: int, *, may_use_network: bool) -> int:
    has_network_rules = abi >= NETWORK_ABI and not may_use_network
    attributes = _RulesetAttributes(
        handled_access_fs=handled(abi),
        handled_access_net=NET_BIND_AND_CONNECT_TCP if has_network_rules else 0,
        scoped=SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if abi >= SCOPE_ABI else 0,
    )
    fields = 1 + (abi >= NETWORK_ABI) + (abi >= SCOPE_ABI)
    return _call(CREATE_RULESET, ctypes.byref(attributes), fields * 8, 0)


def _add(ruleset: int, path: str, access: FileAccess) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            access &= OF_FILES
        if access:
            rule = _PathBeneath(allowed_access=access, parent_fd=opened)
            _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result: int = libc.syscall(ctypes.c_long(number), *(_long(value) for value in arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _long(value: object) -> object:
    return ctypes.c_long(value) if isinstance(value, int) else value
