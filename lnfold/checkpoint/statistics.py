"""Minimum, mean, maximum, standard deviation and odd values of variables of any size.

A variable is read two megabytes at a time, and everything is computed while the piece is in the
cache. Variables come in the order of their files, so that the disk only moves forwards.

Two threads share the work where it pays: many megabytes, in big variables, on two cores. The
checksum is computed by a library that keeps Python's lock, and whoever waits for that lock waits
long. So a thread takes many neighbouring variables at a time, and pieces are bigger here than
elsewhere: 4.3 GB take three quarters of the time of one thread; with pieces of half a megabyte
a second thread would gain nothing.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, aligned_bytes
from lnfold.checkpoint.bytes.moments import Moments, Statistics
from lnfold.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np

    from lnfold.checkpoint.variables.checkpoint import Checkpoint
    from lnfold.checkpoint.variables.variable import Variable

    Progress = Callable[[int, int], None]

_PIECE_BYTES = 2 << 20
# What a thread takes at a time, at least.
_BATCH_BYTES = 16 << 20
# From here on the second thread is worth it: bytes in all, and for each variable on average.
_WORTH_A_THREAD = 64 << 20
_BIG_VARIABLE = 256 << 10


def has_statistics(variable: Variable) -> bool:
    """Whether its elements are numbers that have an order."""
    return variable.dtype in ITEM_BYTES and not variable.dtype.startswith("complex")


def statistics_of(variable: Variable, buffer: np.ndarray | None = None) -> Statistics:
    """The statistics of one variable, read a piece at a time.

    Args:
        buffer: bytes to read into, a megabyte or more, so that many variables share them.

    Raises:
        UnsupportedError: it holds no numbers, or complex ones.
        DamagedError, ChangedWhileReadError: its checksum, found wrong after the last piece.
    """
    if not has_statistics(variable):
        raise UnsupportedError(
            f"{variable.dtype} values have no order",
            variable=variable.name,
            remedy="Ask for the values themselves.",
        )
    moments = Moments()
    for piece in variable.storage.pieces(variable, buffer):
        moments.add(piece)
    return moments.result()


def statistics(
    checkpoint: Checkpoint,
    names: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Statistics | None]:
    """The statistics of many variables, reading every file from its beginning to its end.

    Args:
        names: which ones; all if None.
        progress: called with the bytes read so far and all bytes to read, always by the thread
            that called this.

    Returns:
        In the order of ``names`` or of the checkpoint; None for what is not made of numbers that
        have an order.

    Raises:
        DamagedError, ChangedWhileReadError: for the first of them that is damaged.
    """
    chosen = [checkpoint[name] for name in (checkpoint if names is None else names)]
    found: dict[str, Statistics | None] = {variable.name: None for variable in chosen}
    readable = [variable for variable in chosen if has_statistics(variable)]
    readable.sort(key=lambda variable: variable.storage.position(variable))
    total = sum(variable.nbytes for variable in readable)
    # Both ends of a deque may be used by several threads at the same time.
    waiting = deque(enumerate(_batches(readable)))
    failures: dict[int, BaseException] = {}
    done = [0, 0]

    def work(worker: int, report: Progress | None) -> None:
        """Measure one batch after the other until none is left or one fails."""
        buffer = aligned_bytes(_PIECE_BYTES)
        while waiting:
            try:
                number, batch = waiting.popleft()
            except IndexError:
                return
            try:
                for variable in batch:
                    found[variable.name] = statistics_of(variable, buffer)
                    done[worker] += variable.nbytes
                    if report is not None:
                        report(sum(done), total)
            except BaseException as error:
                failures[number] = error
                waiting.clear()

    if _second_thread_pays(readable, total):
        from threading import Thread

        second = Thread(target=work, args=(1, None))
        second.start()
        work(0, progress)
        second.join()
        if progress is not None:
            progress(sum(done), total)
    else:
        work(0, progress)
    if failures:
        # Batches are begun in the order of the files, so no other thread decides which it is.
        raise failures[min(failures)]
    return found


def _second_thread_pays(readable: list[Variable], total: int) -> bool:
    return (
        total >= _WORTH_A_THREAD
        and total >= _BIG_VARIABLE * len(readable)
        and _cores() > 1
        and all(variable.storage.serves_threads for variable in readable)
    )


def _cores() -> int:
    """How many of them this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(variables: list[Variable]) -> Iterator[list[Variable]]:
    """Neighbours in their files, so many bytes together."""
    batch: list[Variable] = []
    size = 0
    for variable in variables:
        batch.append(variable)
        size += variable.nbytes
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
