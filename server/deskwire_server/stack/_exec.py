"""Runs in a fresh interpreter between the launcher and a child: ties the child's life to its parent, drops root, execs.

A script of the standard library alone, started as `python -I -S _exec.py OPTIONS PROGRAM ARGUMENT…` where OPTIONS is a
JSON object: `parent` (process id), `signal` (number sent when the parent dies), and for root optionally `uid`, `gid`
and `capabilities` (numbers that survive the drop).
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522


def _libc_call(name: str, *arguments: Any) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _prctl(option: int, *arguments: int) -> None:
    padded = [*arguments, 0, 0, 0, 0][:4]
    _libc_call("prctl", option, *(ctypes.c_ulong(value) for value in padded))


def _keep_only(capabilities: list[int]) -> None:
    """Reduce this process to `capabilities`, and let them survive the next exec."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    low = sum(1 << number for number in capabilities if number < 32)
    high = sum(1 << (number - 32) for number in capabilities if number >= 32)
    data = (ctypes.c_uint32 * 6)(low, low, low, high, high, high)
    _libc_call("capset", ctypes.byref(header), ctypes.byref(data))
    for number in capabilities:
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)


def _drop_root(uid: int, gid: int, capabilities: list[int]) -> None:
    if capabilities:
        # Keeps capabilities over the change of uid, and later also inside access(2), which PostgreSQL calls on its own
        # binary and which otherwise looks at the real uid alone.
        _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capabilities:
        _keep_only(capabilities)


def main(arguments: list[str]) -> int:
    """Become the program; returns only when that failed."""
    options = json.loads(arguments[0])
    program = arguments[1:]
    try:
        if "uid" in options:
            _drop_root(options["uid"], options["gid"], options["capabilities"])
        if sys.platform == "linux":
            # After the drop, because a change of uid clears it; a parent that died before it is seen by its id.
            _prctl(PR_SET_PDEATHSIG, options["signal"])
            if os.getppid() != options["parent"]:
                return 1
        os.execv(program[0], program)  # noqa: S606 - becoming another program is what this is for
    except OSError as error:
        sys.stderr.write(f"cannot start {program[0]}: {error}\n")
    return 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
