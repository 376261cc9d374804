"""How a bundle stores a tensor of variants, which are not arrays: only the checksum is read.

    for every element   varint64 length, that many bytes of a VariantTensorDataProto,
                        4 bytes: the masked CRC-32C of everything so far

The checksum covers the lengths as uint64, the elements, and those 4 bytes; that of the entry
covers all of it.
"""

from __future__ import annotations

from lnfold.checkpoint.bytes.checksum import crc32c, mask
from lnfold.checkpoint.bytes.wire import WireError, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal


def check_variants(data: bytes, count: int, checksum: int, big_endian: bool) -> None:
    """Whether ``data`` is what was written.

    Raises:
        WireError: it is not.
    """
    if 5 * count > len(data):
        raise WireError(f"{len(data)} bytes cannot hold {count} variants", 0)
    order: Literal["big", "little"] = "big" if big_endian else "little"
    crc = position = 0
    for _ in range(count):
        length, position = varint(data, position, len(data))
        stop = position + length
        if stop + 4 > len(data):
            raise WireError("a variant is longer than its tensor", position)
        crc = crc32c(length.to_bytes(8, order), crc)
        crc = crc32c(data[position:stop], crc)
        stored = data[stop : stop + 4]
        if int.from_bytes(stored, order) != mask(crc):
            raise WireError("the checksum of a variant is wrong", stop)
        crc = crc32c(stored, crc)
        position = stop + 4
    if position != len(data) or mask(crc) != checksum:
        raise WireError(
            f"the checksum is wrong ({checksum:#010x} stored, {mask(crc):#010x} computed)", 0
        )
