"""A bundle read from the first byte to the last: checksums, gaps, overlaps. Without NumPy."""

from __future__ import annotations

from lnfold.checkpoint.bytes.checksum import crc32c
from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, NAMES, STRING, VARIANT
from lnfold.checkpoint.bytes.limits import PIECE_BYTES
from lnfold.checkpoint.bytes.wire import text
from lnfold.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lnfold.checkpoint.bundle.entry import Entry
    from lnfold.checkpoint.bundle.tensor_bundle import TensorBundle
    from lnfold.checkpoint.bytes.positioned_file import PositionedFile


_VERIFIABLE = {*ITEM_BYTES, STRING, VARIANT}


def scan_bundle(
    bundle: TensorBundle,
    names: Mapping[str, str],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, dict[str, InputError], list[str]]:
    """Verify every stored tensor and slice.

    Args:
        names: key → name of the variables.

    Returns:
        How many bytes were read, name → error of what is damaged, and what else is odd.
    """
    owners = _owners(bundle, names)
    stored = sorted(owners, key=lambda item: (item[0][3], item[0][4], item[0][5]))
    total = sum(entry[5] for entry, _ in stored)
    damaged: dict[str, InputError] = {}
    notes: list[str] = []
    done = 0
    window = _Window()
    ends: dict[int, int] = {}
    gaps: dict[int, int] = {}
    for entry, name in stored:
        shard, offset, size = entry[3], entry[4], entry[5]
        end = ends.get(shard, 0)
        if size and offset < end:
            notes.append(f"'{name}' shares bytes of {bundle.shards.paths[shard]} with another")
        elif offset > end:
            gaps[shard] = gaps.get(shard, 0) + offset - end
        ends[shard] = max(end, offset + size)
        if NAMES.get(entry[0]) not in _VERIFIABLE:
            notes.append(f"'{name}' is of a type without a known checksum")
        try:
            _verify(bundle, entry, name, window)
        except InputError as error:
            damaged.setdefault(name, error)
        done += size
        if progress is not None:
            progress(done, total)
    for shard, gap in sorted(gaps.items()):
        if shard in bundle.shards.paths:
            notes.append(f"{bundle.shards.paths[shard]}: {gap} bytes lie between tensors")
    return done, damaged, notes


def _owners(bundle: TensorBundle, names: Mapping[str, str]) -> list[tuple[Entry, str]]:
    """Every entry with bytes, and the name of the variable that it belongs to."""
    found = []
    unowned = dict(bundle.index.slices)
    for key in bundle.index.entries:
        for slice_key, entry in bundle.stored_entries(key):
            found.append((entry, names[key]))
            unowned.pop(slice_key, None)
    found.extend((entry, text(key)) for key, entry in unowned.items())
    return found


class _Window:
    """The last stretch that was read, so that neighbouring small tensors cost one read."""

    __slots__ = ("_data", "_file", "_start")

    def __init__(self) -> None:
        self._file: PositionedFile | None = None
        self._start = 0
        self._data = b""

    def bytes_at(self, file: PositionedFile, offset: int, size: int) -> bytes:
        """``size`` bytes, at most a piece."""
        start = offset - self._start
        if file is not self._file or start < 0 or start + size > len(self._data):
            self._data = file.read(offset, min(PIECE_BYTES, file.size - offset))
            self._file, self._start, start = file, offset, 0
        if start == 0 and size == len(self._data):
            return self._data
        return self._data[start : start + size]


def _verify(bundle: TensorBundle, entry: Entry, name: str, window: _Window) -> None:
    """Compare one stored tensor with its checksum.

    Raises:
        DamagedError, ChangedWhileReadError: it is wrong, or lies past the end of its file.
    """
    dtype, offset, size = NAMES.get(entry[0]), entry[4], entry[5]
    tensors = bundle.tensors
    if dtype == STRING:
        tensors.strings(entry, name)
    elif dtype == VARIANT:
        tensors.variants(entry, name)
    elif dtype in ITEM_BYTES:
        file = tensors.file(entry, name)
        crc = 0
        for start in range(0, size, PIECE_BYTES):
            length = min(PIECE_BYTES, size - start)
            crc = crc32c(window.bytes_at(file, offset + start, length), crc)
        tensors.compare(crc, entry, name)
