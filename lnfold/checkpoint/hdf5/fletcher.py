"""HDF5's checksum of a chunk: Fletcher's, over words of 16 bits, the first byte the higher one.

    s1 = Σ w_i,   s2 = Σ (n - i) w_i   (i = 0 … n-1, mod 65535),   checksum = s2 << 16 | s1

A last odd byte counts as the higher half of a word. (HDF5, H5_checksum_fletcher32.)
"""

from __future__ import annotations

import numpy as np

_MODULUS = 65535
# Sums over so many words stay below 2^63: 2^16 · 2^23 · 2^23.
_RUN = 1 << 23


def fletcher32(data: bytes) -> int:
    """The checksum of ``data``."""
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2")
    first = second = 0
    for start in range(0, words.size, _RUN):
        run = words[start : start + _RUN].astype(np.int64)
        # What was summed before counts once more for every word of this run.
        second += first * run.size + int(np.dot(run, np.arange(run.size, 0, -1)))
        first += int(run.sum())
    return _reduced(second) << 16 | _reduced(first)


def _reduced(total: int) -> int:
    """``total`` mod 65535 as HDF5 leaves it: 0 only for 0 itself."""
    return (total - 1) % _MODULUS + 1 if total else 0
