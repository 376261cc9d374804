"""TensorFlow's checksum: CRC-32C, stored masked.

    mask(c) = ((c >> 15) | (c << 17)) + 0xA282EAD8   (mod 2^32)

The mask keeps a checksum of bytes that themselves hold checksums from being degenerate.
"""

from __future__ import annotations

import google_crc32c

_MASK = 0xA282EAD8
_32_BITS = 0xFFFFFFFF


TYPE_CHECKING = False
if TYPE_CHECKING:
    import numpy as np


def crc32c(data: bytes | np.ndarray, crc: int = 0) -> int:
    """The checksum of ``data``, bytes or an array of them, behind what ``crc`` is that of."""
    found: int = google_crc32c.extend(crc, data)
    return found


def mask(crc: int) -> int:
    """The stored form of a checksum."""
    return (((crc >> 15) | (crc << 17)) + _MASK) & _32_BITS
