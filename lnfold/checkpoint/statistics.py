"""Minimum, mean, maximum, standard deviation and odd values of variables of any size.

A variable is read a megabyte at a time, and everything is computed while the piece is in the
cache. Variables come in the order of their files, so that the disk only moves forwards.

One thread does it all: the checksum is computed by a library that keeps Python's lock, and a
second thread spends more on waiting for that lock than it saves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lnfold.checkpoint.dtypes import ITEM_BYTES, aligned_bytes
from lnfold.checkpoint.moments import Moments, Statistics
from lnfold.checkpoint.storage import PIECE_BYTES
from lnfold.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

    from lnfold.checkpoint.variables import Checkpoint, Variable


def has_statistics(variable: Variable) -> bool:
    """Whether its elements are numbers that have an order."""
    return variable.dtype in ITEM_BYTES and not variable.dtype.startswith("complex")


def statistics_of(variable: Variable, buffer: np.ndarray | None = None) -> Statistics:
    """The statistics of one variable, read a piece at a time.

    Args:
        buffer: ``PIECE_BYTES`` bytes to read into, so that many variables share them.

    Raises:
        UnsupportedError: it holds no numbers, or complex ones.
        DamagedError, ChangedWhileReadError: its checksum, found wrong after the last piece.
    """
    if not has_statistics(variable):
        raise UnsupportedError(f"{variable.dtype} values have no order", variable=variable.name)
    moments = Moments()
    for piece in variable.storage.pieces(variable, buffer):
        moments.add(piece)
    return moments.result()


def statistics(
    checkpoint: Checkpoint,
    names: Iterable[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Statistics | None]:
    """The statistics of many variables, reading every file from its beginning to its end.

    Args:
        names: which ones; all if None.
        progress: called with the bytes read so far and all bytes to read.

    Returns:
        In the order of ``names`` or of the checkpoint; None for what is not made of numbers that
        have an order.

    Raises:
        DamagedError, ChangedWhileReadError: as soon as one of them is damaged.
    """
    chosen = [checkpoint[name] for name in (checkpoint if names is None else names)]
    found: dict[str, Statistics | None] = {variable.name: None for variable in chosen}
    readable = [variable for variable in chosen if has_statistics(variable)]
    readable.sort(key=lambda variable: variable.storage.position(variable))
    total = sum(variable.nbytes for variable in readable)
    buffer = aligned_bytes(PIECE_BYTES)
    done = 0
    for variable in readable:
        found[variable.name] = statistics_of(variable, buffer)
        done += variable.nbytes
        if progress is not None:
            progress(done, total)
    return found
