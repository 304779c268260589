"""Have freed memory go back to the system: a poll of many users must not leave its peak behind in the process."""

from __future__ import annotations

import sys
from typing import Any

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of mallopt, in glibc's malloc.h
_LARGE = 512 * 1024  # bytes from which a block is the system's own and goes back as soon as it is freed
_ARENAS = 2  # every further thread would keep a heap of its own


def keep_small() -> None:
    """Set the C library's allocator up, where it is glibc's; elsewhere nothing happens."""
    libc = _libc()
    if libc is not None:
        libc.mallopt(_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return what is free at the moment."""
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)


def _libc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes  # noqa: PLC0415 - commands that only look need none of it

    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None
